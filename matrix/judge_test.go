package matrix

import (
	"context"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

const denialLine = "Lockdown: ldp-1: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"

func saw(o scenarios.Outcome, log ...string) *scenarios.Observation {
	return &scenarios.Observation{Probe: "p", Comm: "ldp-1", Log: log, Result: scenarios.Result{Outcome: o, Call: "act"}}
}

func absentFor(why string) *scenarios.Observation {
	o := saw(scenarios.Unavailable)
	o.Why = why
	return o
}

func setting(t *testing.T, text string) lockdown.Setting {
	t.Helper()
	s, err := lockdown.ParseSetting(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestJudge is the verdict table, every line of it from both sides.
func TestJudge(t *testing.T) {
	gated := scenarios.Row{ID: "p", Probe: scenarios.Probe{Reason: "dev_mem"}}
	free := scenarios.Row{ID: "p", Probe: scenarios.Probe{Reason: "dev_mem", Expect: scenarios.Unchecked}}
	x86 := scenarios.Row{ID: "p", Probe: scenarios.Probe{Reason: "dev_mem", Only: []string{"x86_64"}}}
	allowed, denied, failed := saw(scenarios.Allowed), saw(scenarios.Denied), saw(scenarios.Failed)
	named := saw(scenarios.Denied, denialLine)
	for _, tc := range []struct {
		name          string
		row           scenarios.Row
		setting, arch string
		control, saw  *scenarios.Observation
		config        map[string]bool
		want          Verdict
	}{
		{"denied and named", gated, "integrity", "x86_64", allowed, named, nil, Enforced},
		{"denied, single reason", gated, "dev_mem@runtime", "x86_64", allowed, named, nil, Enforced},
		{"denied, not named", gated, "integrity", "x86_64", allowed, denied, nil, Unattributed},
		{"denied, another reason named", gated, "integrity", "x86_64", allowed,
			saw(scenarios.Denied, strings.Replace(denialLine, "/dev/mem,kmem,port", "debugfs access", 1)), nil, Unattributed},
		{"denied, another probe named", gated, "integrity", "x86_64", allowed,
			saw(scenarios.Denied, strings.Replace(denialLine, "ldp-1", "ldp-10", 1)), nil, Unattributed},
		{"allowed though locked", gated, "integrity", "x86_64", allowed, allowed, nil, Leak},
		{"allowed though locked, no control", gated, "integrity", "x86_64", nil, allowed, nil, Unproven},
		{"allowed as owed", gated, "kexec@runtime", "x86_64", allowed, allowed, nil, Open},
		{"allowed, the control itself", gated, "none", "x86_64", allowed, allowed, nil, Open},
		{"denied though open", gated, "kexec@runtime", "x86_64", allowed, denied, nil, Overblocked},
		{"denied though open, named", gated, "kexec@runtime", "x86_64", nil, named, nil, Overblocked},
		{"denied with nothing locked, named", gated, "none", "x86_64", named, named, nil, Overblocked},
		{"denied with nothing locked, not named", gated, "none", "x86_64", denied, denied, nil, Unproven},
		{"denied in control and setting", gated, "integrity", "x86_64", denied, named, nil, Unproven},
		{"control failed", gated, "integrity", "x86_64", failed, named, nil, Unproven},
		{"failed", gated, "integrity", "x86_64", allowed, failed, nil, Unproven},
		{"free, allowed", free, "integrity", "x86_64", allowed, allowed, nil, Open},
		{"free, denied", free, "integrity", "x86_64", allowed, denied, nil, Overblocked},
		{"free, denied and named", free, "integrity", "x86_64", allowed, named, nil, Overblocked},
		{"other architecture", x86, "integrity", "arm64", nil, nil, nil, Unavailable},
		{"compiled out", gated, "integrity", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), map[string]bool{"CONFIG_X": false}, Unavailable},
		{"compiled out, and refused on the way there", gated, "integrity", "x86_64", absentFor("CONFIG_X"), named, map[string]bool{"CONFIG_X": false}, Unavailable},
		{"said to be compiled out, and refused", gated, "integrity", "x86_64", absentFor("CONFIG_X"), named, map[string]bool{"CONFIG_X": true}, Unproven},
		{"perhaps compiled out, and refused", gated, "integrity", "x86_64", absentFor("CONFIG_X"), named, nil, Unproven},
		{"compiled out, and allowed", gated, "integrity", "x86_64", absentFor("CONFIG_X"), allowed, map[string]bool{"CONFIG_X": false}, Unproven},
		{"compiled out, configuration unknown", gated, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), nil, Unavailable},
		{"said to be compiled out, but is not", gated, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), map[string]bool{"CONFIG_X": true}, Unproven},
		{"vanished when locked", gated, "integrity", "x86_64", allowed, absentFor("no device"), nil, Unproven},
		{"no observation", gated, "integrity", "x86_64", allowed, nil, nil, Lost},
	} {
		c := Evidence{Row: tc.row, Guest: Guest{Arch: tc.arch, Setting: setting(t, tc.setting)}, Config: tc.config, Control: tc.control, Observed: tc.saw}
		if got := Judge(c); got.Verdict != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Verdict, got.Why, tc.want)
		}
	}
}

// counted is an observation of a kernel that counts its checks.
func counted(o scenarios.Outcome, labels ...string) *scenarios.Observation {
	obs := saw(o)
	for _, l := range labels {
		obs.Checks = append(obs.Checks, scenarios.Check{Site: "f+0x1/0x2", Label: l, Comm: obs.Comm, Checks: 1, Denials: 1})
	}
	return obs
}

// TestJudgeOwed has the lines of the verdict table in which more than the
// probe's own reason counts: masks, gaps, the boot, counters.
func TestJudgeOwed(t *testing.T) {
	const mem, trace, core = "/dev/mem,kmem,port", "use of tracefs", "/proc/kcore access"
	plain := scenarios.Probe{Reason: "dev_mem"}
	shadowed := scenarios.Probe{Reason: "kprobes", ShadowedBy: []scenarios.Shadow{{Reason: "tracefs", Why: "the file is in tracefs"}}}
	gap := scenarios.Probe{Reason: "kcore", Expect: scenarios.Gap, Source: "v6.12"}
	older := gap
	older.Setup = func(context.Context, scenarios.Env) (func(context.Context) scenarios.Result, scenarios.Result) {
		return nil, scenarios.Result{}
	}
	behind := gap
	behind.ShadowedBy = []scenarios.Shadow{{Reason: "tracefs", Why: "the door"}}
	early := scenarios.Probe{Reason: "tracefs", CheckedAtBoot: true}
	hidden := scenarios.Probe{Reason: "tracefs", AbsentIfLockedAtBoot: true}
	allowed, denied := saw(scenarios.Allowed), saw(scenarios.Denied)
	logged := saw(scenarios.Denied, denialLine)
	counts := scenarios.State{Counts: true}
	bootDenied := scenarios.State{Counts: true, Checks: []scenarios.Check{
		{Label: core, Comm: "ldp-1", Denials: 1}, {Label: trace, Comm: "swapper/0", Checks: 4, Denials: 4}}}
	sited := scenarios.Probe{Reason: "dev_mem", Site: "drivers/char/mem.c:open_port"}
	olderSited := sited
	olderSited.Setup = older.Setup
	at := func(call string, denials int) *scenarios.Observation {
		o := counted(scenarios.Denied, mem)
		o.Checks[0].Site = "fs/other.c:other"
		o.Checks = append(o.Checks, scenarios.Check{Site: call, Label: mem, Comm: o.Comm, Checks: 1, Denials: denials})
		return o
	}
	// Sites of which the source is known have the name of their call here.
	calls := map[string]string{}
	for _, call := range []string{sited.Site, "kernel/trace/trace.c:register_tracer", "fs/other.c:other", "fs/third.c:third", "q.c:q"} {
		calls[call] = call
	}
	letAndFailed := at(sited.Site, 0)
	letAndFailed.Outcome = scenarios.Failed
	wentOn := counted(scenarios.Allowed, mem)
	refusedAndFailed := counted(scenarios.Failed, mem)
	atBootSite := scenarios.Probe{Reason: "tracefs", CheckedAtBoot: true, Site: "kernel/trace/trace.c:register_tracer"}
	elsewhere := atBootSite
	elsewhere.Site = "kernel/trace/trace.c:tracing_init_dentry"
	bootRefused := scenarios.State{Counts: true, Checks: []scenarios.Check{{Site: atBootSite.Site, Label: trace, Comm: "swapper", Checks: 1, Denials: 1}}}
	bootLet := scenarios.State{Counts: true, Checks: []scenarios.Check{{Site: atBootSite.Site, Label: trace, Comm: "swapper", Checks: 1}, {Site: "q.c:q", Label: trace, Comm: "swapper", Checks: 1, Denials: 1}}}
	probeDenied := scenarios.State{Counts: true, Checks: []scenarios.Check{{Label: core, Comm: "ldp-1", Denials: 1}}}
	bootAllowed := scenarios.State{Counts: true, Checks: []scenarios.Check{{Label: trace, Comm: "swapper/0", Checks: 4}}}
	bootLogged := scenarios.State{Log: []string{"Lockdown: swapper: use of tracefs is restricted; see man kernel_lockdown.7"}}
	for _, tc := range []struct {
		name    string
		probe   scenarios.Probe
		setting string
		saw     *scenarios.Observation
		boot    *scenarios.State
		want    Verdict
	}{
		{"counted", plain, "integrity", counted(scenarios.Denied, mem), &counts, Enforced},
		{"counted for another reason", plain, "integrity", counted(scenarios.Denied, core), &counts, Overblocked},
		{"counted for another locked reason", plain, "dev_mem,kcore@runtime", counted(scenarios.Denied, core), &counts, Unattributed},
		{"logged, but not counted", plain, "integrity", logged, &counts, Unattributed},
		{"logged where nothing counts", plain, "integrity", logged, &scenarios.State{}, Enforced},
		{"counted, nothing locked", plain, "none", counted(scenarios.Denied, mem), &counts, Overblocked},
		{"another reason's denial", plain, "none", counted(scenarios.Denied, core), &counts, Overblocked},
		{"at its own site", sited, "integrity", at(sited.Site, 1), &counts, Enforced},
		{"at another site", sited, "integrity", at("fs/third.c:third", 1), &counts, Unattributed},
		{"let through at its own, refused by another", sited, "integrity", at(sited.Site, 0), &counts, Leak},
		{"let through at its own, failed behind it", sited, "integrity", letAndFailed, &counts, Leak},
		{"refused for what is not locked, went on", sited, "kcore@runtime", wentOn, &counts, Overblocked},
		{"refused for what is not locked, failed", sited, "none", refusedAndFailed, &counts, Overblocked},
		{"its site refused at boot, unlocked", atBootSite, "none", allowed, &bootRefused, Overblocked},
		{"another site refused at boot, unlocked", elsewhere, "none", allowed, &bootRefused, Overblocked},
		{"another reason refused at boot, unlocked", scenarios.Probe{Reason: "kcore", CheckedAtBoot: true, Site: "k.c:k"}, "none", allowed, &bootRefused, Open},
		{"its site refused at boot, locked", atBootSite, "tracefs@boot", denied, &bootRefused, Enforced},
		{"its site let through at boot", atBootSite, "tracefs@boot", denied, &bootLet, Leak},
		{"shadowed", shadowed, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"shadowed, though its own is locked", shadowed, "confidentiality@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"by its own, though a mask is locked", shadowed, "confidentiality@runtime", counted(scenarios.Denied, trace, "use of kprobes"), &counts, Enforced},
		{"by its own, which is not locked", shadowed, "tracefs@runtime", counted(scenarios.Denied, "use of kprobes"), &counts, Overblocked},
		{"a mask that lets through", shadowed, "tracefs@runtime", allowed, &counts, Leak},
		{"a mask that is not locked", shadowed, "kcore@runtime", allowed, &counts, Open},
		{"gap", gap, "kcore@runtime", allowed, &counts, OpenGap},
		{"gap, unlocked", gap, "none", allowed, &counts, Open},
		{"gap closed", gap, "kcore@boot", counted(scenarios.Denied, core), &counts, GapClosed},
		{"gap denied by who knows", gap, "kcore@boot", denied, &counts, Unattributed},
		{"gap denied, unlocked", gap, "none", denied, &counts, Overblocked},
		{"gap behind a door", behind, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"gap behind a door, both locked", behind, "confidentiality@runtime", counted(scenarios.Denied, trace, core), &counts, Shadowed},
		{"gap behind a door that leaks", behind, "tracefs@runtime", allowed, &counts, Leak},
		{"gap behind an open door", behind, "kcore@runtime", allowed, &counts, OpenGap},
		{"older than the lock", older, "kcore@runtime", allowed, &counts, OpenGap},
		{"the lock is older, at another site", olderSited, "integrity", at("fs/third.c:third", 1), &counts, Enforced},
		{"the lock is older", older, "kcore@boot", counted(scenarios.Denied, core), &counts, Enforced},
		{"the lock is older and leaks", older, "kcore@boot", allowed, &counts, Leak},
		{"at boot", early, "tracefs@boot", denied, &bootDenied, Enforced},
		{"at boot, logged", early, "tracefs@boot", denied, &bootLogged, Enforced},
		{"at boot, no evidence", early, "tracefs@boot", denied, &bootAllowed, Unattributed},
		{"at boot, no state", early, "tracefs@boot", denied, nil, Unattributed},
		{"at boot, evidence of a probe", scenarios.Probe{Reason: "kcore", CheckedAtBoot: true}, "kcore@boot", denied, &probeDenied, Unattributed},
		{"at boot, leaks", early, "tracefs@boot", allowed, &bootAllowed, Leak},
		{"at boot, locked later", early, "tracefs@runtime", allowed, &counts, Open},
		{"at boot, locked later, denied", early, "tracefs@runtime", denied, &counts, Overblocked},
		{"hidden at boot", hidden, "tracefs@boot", denied, &bootDenied, Enforced},
		{"not hidden at run time", hidden, "tracefs@runtime", denied, &bootDenied, Unattributed},
		{"refused at run time", hidden, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Enforced},
	} {
		row := scenarios.Row{ID: "p", Probe: tc.probe}
		c := Evidence{Row: row, Guest: Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}, Control: allowed, Observed: tc.saw, Boot: tc.boot, Calls: calls}
		if got := Judge(c); got.Verdict != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Verdict, got.Why, tc.want)
		}
	}
}

func TestJudgeAnswers(t *testing.T) {
	row := scenarios.Row{ID: "p", Probe: scenarios.Probe{Expect: scenarios.ABI}}
	read := lockdown.Op{Call: "read", File: lockdown.LevelFile, Data: "[none] integrity confidentiality\n"}
	refused := lockdown.Op{Call: "write", File: lockdown.LevelFile, Data: "none", Err: "EPERM"}
	taken := refused
	taken.Err = ""
	for _, tc := range []struct {
		name  string
		steps []lockdown.Op
		want  Verdict
	}{
		{"as the model", []lockdown.Op{read, refused, read}, Conforms},
		{"lowering succeeds", []lockdown.Op{read, taken}, Deviates},
		{"wrong errno", []lockdown.Op{{Call: "write", File: lockdown.LevelFile, Data: "none", Err: "EINVAL"}}, Deviates},
		{"no bracket", []lockdown.Op{{Call: "read", File: lockdown.LevelFile, Data: "none integrity confidentiality\n"}}, Deviates},
		{"nothing answered", nil, Unproven},
	} {
		for _, kind := range lockdown.Interfaces() { // the level file is an ABI for all of them
			o := saw(scenarios.Answered)
			o.Ops = tc.steps
			if got := Judge(Evidence{Row: row, Guest: Guest{Interface: kind, Arch: "x86_64"}, Observed: o}); got.Verdict != tc.want {
				t.Errorf("%s on %s: %s (%s), want %s", tc.name, kind, got.Verdict, got.Why, tc.want)
			}
		}
	}
}
