package matrix

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

const denialLine = "Lockdown: ldp-1: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"

func saw(o scenarios.Outcome, log ...string) *scenarios.Observation {
	return &scenarios.Observation{Probe: "p", Comm: "ldp-1", Log: log, Report: scenarios.Report{Outcome: o, Call: "act"}}
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

// A judgeCase is evidence with its expected verdict.
type judgeCase struct {
	name string
	evidence
	want Verdict
}

// judgeCases are all cases of this file.
func judgeCases(t *testing.T) (all []judgeCase) {
	for _, cases := range []func(*testing.T) []judgeCase{controlCases, absenceCases, reasonCases, attributionCases, abiCases, lifeCases, effectCases, conditionCases, footCases, lockedBeforeCases} {
		all = append(all, cases(t)...)
	}
	return all
}

func TestJudge(t *testing.T) {
	for _, tc := range judgeCases(t) {
		if got := judge(tc.evidence); got.Verdict != tc.want {
			t.Errorf("%s: %s by rule %s (%s), want %s", tc.name, got.Verdict, got.Rule, got.Why, tc.want)
		}
	}
}

// TestRules: each rule decides a case and changes a verdict, and only the last
// rule matches all remaining evidence.
func TestRules(t *testing.T) {
	cases := judgeCases(t)
	decided := map[string]int{}
	for _, tc := range cases {
		decided[judge(tc.evidence).Rule]++
	}
	for i, r := range rules {
		without := slices.Delete(slices.Clone(rules), i, i+1)
		matters := slices.ContainsFunc(cases, func(tc judgeCase) bool {
			got := judgeBy(without, tc.evidence)
			return judge(tc.evidence).Rule == r.name && got.Verdict != tc.want
		})
		if decided[r.name] == 0 || !matters {
			t.Errorf("rule %s is dead: it decides %d cases, and changes a verdict: %v", r.name, decided[r.name], matters)
		}
		if n := slices.IndexFunc(rules, func(o rule) bool { return o.name == r.name }); n != i || r.text == "" {
			t.Errorf("rule %d, %s: its name is not unique, or it has no text", i, r.name)
		}
		// Each of the other rules leaves some evidence to later rules.
		always := !slices.ContainsFunc(cases, func(tc judgeCase) bool { return !r.when(&tc.evidence) })
		if always != (i == len(rules)-1) {
			t.Errorf("rule %d of %d, %s, matches every case: %v", i+1, len(rules), r.name, always)
		}
	}
	if n := len(Rules()); n != len(rules) {
		t.Errorf("%d of %d rules are listed", n, len(rules))
	}
}

// TestDescribe: an act that was not reached has no call.
func TestDescribe(t *testing.T) {
	o := &scenarios.Observation{Report: scenarios.Report{Outcome: scenarios.Failed, Why: "child ended before it got its job: exit 2"}}
	if got, want := describe(o), "failed: child ended before it got its job: exit 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRulesAreTotal judges every combination of a probe, a setting and
// observations: a rule decides each, and none panics.
func TestRulesAreTotal(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		names[r.name] = true
	}
	outcomes := []*scenarios.Observation{nil, saw(scenarios.Allowed), saw(scenarios.Denied), saw(scenarios.Denied, denialLine),
		counted(scenarios.Denied, "use of tracefs"), saw(scenarios.Failed), absentFor("CONFIG_X"), absentFor("no device"), saw(scenarios.Answered)}
	boots := []*scenarios.State{nil, {}, {Counts: true}, {Log: []string{denialLine}}}
	n := 0
	for _, expect := range []scenarios.Expectation{scenarios.Checked, scenarios.Unchecked, scenarios.ABI, scenarios.Gap} {
		for _, row := range []scenarios.Row{{}, {ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}, Where: scenarios.Where{CheckedAtBoot: true}}},
			{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", ShadowedBy: []scenarios.Shadow{{Reason: "tracefs"}}}, Where: scenarios.Where{Needs: []string{"CONFIG_X"}}}}} {
			row.Expect = expect
			for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime"} {
				for _, control := range outcomes {
					for _, observed := range outcomes {
						for _, boot := range boots {
							e := evidence{row: row, guest: Guest{Arch: "x86_64", Setting: setting(t, text)}, control: control, observed: observed, boot: boot}
							if j := judge(e); !names[j.Rule] {
								t.Fatalf("no rule decides %+v", e)
							}
							n++
						}
					}
				}
			}
		}
	}
	if n == 0 {
		t.Error("nothing was judged")
	}
}

// controlCases are about controls and observations.
func controlCases(t *testing.T) (cases []judgeCase) {
	checked := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}, Where: scenarios.Where{Needs: []string{"CONFIG_X"}}}}
	unchecked := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", Expect: scenarios.Unchecked}}}
	x86 := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}, Where: scenarios.Where{Only: []string{"x86_64"}}}}
	allowed, denied, failed := saw(scenarios.Allowed), saw(scenarios.Denied), saw(scenarios.Failed)
	named := saw(scenarios.Denied, denialLine)
	for _, tc := range []struct {
		name          string
		row           scenarios.Row
		setting, arch string
		control, saw  *scenarios.Observation
		config        Config
		want          Verdict
	}{
		{"denied and named", checked, "integrity", "x86_64", allowed, named, nil, Enforced},
		{"denied, single reason", checked, "dev_mem@runtime", "x86_64", allowed, named, nil, Enforced},
		{"denied, not named", checked, "integrity", "x86_64", allowed, denied, nil, Unattributed},
		{"denied, another reason named", checked, "integrity", "x86_64", allowed,
			saw(scenarios.Denied, strings.Replace(denialLine, "/dev/mem,kmem,port", "debugfs access", 1)), nil, Unattributed},
		{"denied, another probe named", checked, "integrity", "x86_64", allowed,
			saw(scenarios.Denied, strings.Replace(denialLine, "ldp-1", "ldp-10", 1)), nil, Unattributed},
		{"allowed though locked", checked, "integrity", "x86_64", allowed, allowed, nil, Leak},
		{"allowed though locked, no control", checked, "integrity", "x86_64", nil, allowed, nil, Unproven},
		{"allowed as expected", checked, "kexec@runtime", "x86_64", allowed, allowed, nil, Open},
		{"allowed, the control itself", checked, "none", "x86_64", allowed, allowed, nil, Open},
		{"denied though open", checked, "kexec@runtime", "x86_64", allowed, denied, nil, Overblocked},
		{"denied though open, named", checked, "kexec@runtime", "x86_64", nil, named, nil, Overblocked},
		{"denied with nothing locked, named", checked, "none", "x86_64", named, named, nil, Overblocked},
		{"denied with nothing locked, not named", checked, "none", "x86_64", denied, denied, nil, Unproven},
		{"denied in control and setting", checked, "integrity", "x86_64", denied, named, nil, Unproven},
		{"control failed", checked, "integrity", "x86_64", failed, named, nil, Unproven},
		{"failed", checked, "integrity", "x86_64", allowed, failed, nil, Unproven},
		{"unchecked, allowed", unchecked, "integrity", "x86_64", allowed, allowed, nil, Open},
		{"unchecked, denied", unchecked, "integrity", "x86_64", allowed, denied, nil, Overblocked},
		{"unchecked, denied and named", unchecked, "integrity", "x86_64", allowed, named, nil, Overblocked},
		{"other architecture", x86, "integrity", "arm64", nil, nil, nil, Unavailable},
		{"compiled out", checked, "integrity", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), Config{"CONFIG_X": "n"}, Unavailable},
		{"compiled out, and refused on the way there", checked, "integrity", "x86_64", absentFor("CONFIG_X"), named, Config{"CONFIG_X": "n"}, Unavailable},
		{"reported as compiled out, and refused", checked, "integrity", "x86_64", absentFor("CONFIG_X"), named, Config{"CONFIG_X": "y"}, Unproven},
		{"perhaps compiled out, and refused", checked, "integrity", "x86_64", absentFor("CONFIG_X"), named, nil, Unproven},
		{"compiled out, and allowed", checked, "integrity", "x86_64", absentFor("CONFIG_X"), allowed, Config{"CONFIG_X": "n"}, Unproven},
		{"compiled out, configuration unknown", checked, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), nil, Unproven},
		{"reported as compiled out, but is not", checked, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), Config{"CONFIG_X": "y"}, Unproven},
		{"vanished when locked", checked, "integrity", "x86_64", allowed, absentFor("no device"), nil, Unproven},
		{"no observation", checked, "integrity", "x86_64", allowed, nil, nil, Lost},
	} {
		guest := Guest{Arch: tc.arch, Setting: setting(t, tc.setting)}
		cases = append(cases, judgeCase{tc.name, evidence{row: tc.row, guest: guest, config: tc.config, control: tc.control, observed: tc.saw}, tc.want})
	}
	locked := Guest{Arch: "x86_64", Setting: setting(t, "integrity")}
	abi := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Expect: scenarios.ABI}}}
	odd := saw("maybe")
	return append(cases,
		judgeCase{"reported twice", evidence{row: checked, guest: locked, control: allowed, observed: named, twice: "twice"}, Unproven},
		judgeCase{"unknown outcome, which the lock left", evidence{row: checked, guest: locked, control: allowed, observed: odd, notLocked: "the file shows none"}, Unproven},
		judgeCase{"unknown outcome of an ABI probe", evidence{row: abi, guest: locked, observed: odd}, Unproven})
}

// absenceCases are about absent targets.
func absenceCases(t *testing.T) (cases []judgeCase) {
	const x, y, payload = "CONFIG_X", "CONFIG_Y", "the guest carries no such module"
	needs := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}, Where: scenarios.Where{Needs: []string{x}}}}
	needsOff, gone := needs, needs
	needsOff.Needs, gone.Absent = []string{x + "=n"}, "gone since 6.19"
	wc := scenarios.Row{ID: "pci/resource-wc-mmap", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "pci_access"}}}
	noWC := "no BAR of this machine can be mapped write-combining"
	off, on := Config{x: "n", y: "n"}, Config{x: "y", y: "n"}
	allowed := saw(scenarios.Allowed)
	for _, tc := range []struct {
		name    string
		row     scenarios.Row
		arch    string
		why     string
		control *scenarios.Observation
		config  Config
		image   bool
		want    Verdict
	}{
		{"symbol off", needs, "x86_64", x, absentFor(x), off, false, Unavailable},
		{"symbol off, no control", needs, "x86_64", x, nil, off, false, Unavailable},
		{"symbol on", needs, "x86_64", x, absentFor(x), on, false, Unproven},
		{"symbol a module", needs, "x86_64", x, absentFor(x), Config{x: "m"}, false, Unavailable},
		{"symbol a module, another reason", needs, "x86_64", "no device", absentFor("no device"), Config{x: "m"}, false, Unavailable},
		{"symbol a module, payload missing", needs, "x86_64", payload, absentFor(payload), Config{x: "m"}, false, Unproven},
		{"symbol that must be off is on", needsOff, "x86_64", x + "=n", absentFor(x + "=n"), on, false, Unavailable},
		{"symbol that must be off is off", needsOff, "x86_64", x + "=n", absentFor(x + "=n"), off, false, Unproven},
		{"version that lacks it", gone, "x86_64", "no file", absentFor("no file"), on, false, Unavailable},
		{"version that lacks it, but there in the control", gone, "x86_64", "no file", allowed, on, false, Unproven},
		{"symbol off, but there in the control", needs, "x86_64", x, allowed, off, false, Unproven},
		{"symbol off, but denied in the control", needs, "x86_64", x, saw(scenarios.Denied), off, false, Unproven},
		{"symbol not recorded", needs, "x86_64", x, absentFor(x), Config{y: "n"}, false, Unproven},
		{"symbol of another probe", needs, "x86_64", y, absentFor(y), on, false, Unproven},
		{"configuration not known, built by the lab", needs, "x86_64", x, absentFor(x), nil, false, Unproven},
		{"configuration not known, ready image", needs, "x86_64", x, absentFor(x), nil, true, Unavailable},
		{"configuration not known, ready image, symbol of another probe", needs, "x86_64", y, absentFor(y), nil, true, Unproven},
		{"ready image with a configuration, symbol on", needs, "x86_64", x, absentFor(x), on, true, Unproven},
		{"ready image with a configuration, symbol off", needs, "x86_64", x, absentFor(x), off, true, Unavailable},
		{"another reason, and a symbol that it needs is off", needs, "x86_64", "no device", absentFor("no device"), off, false, Unavailable},
		{"payload missing", needs, "x86_64", payload, absentFor(payload), on, false, Unproven},
		{"payload missing, no control", needs, "x86_64", payload, nil, on, false, Unproven},
		{"payload missing in a ready image, which the lab did not build", needs, "x86_64", payload, absentFor(payload), on, true, Unavailable},
		{"device missing", needs, "x86_64", "the machine has no pci-testdev", absentFor("the machine has no pci-testdev"), on, false, Unproven},
		{"device missing, ready image", needs, "x86_64", "the machine has no pci-testdev", absentFor("the machine has no pci-testdev"), nil, true, Unproven},
		{"no reason", needs, "x86_64", "", absentFor(""), on, false, Unproven},
		{"no reason, ready image", needs, "x86_64", "", absentFor(""), nil, true, Unproven},
		{"listed", wc, "x86_64", noWC, absentFor(noWC), on, false, Unavailable},
		{"listed, but there in the control", wc, "x86_64", noWC, allowed, on, false, Unproven},
		{"listed for another architecture", wc, "arm64", noWC, absentFor(noWC), on, false, Unproven},
		{"listed for another probe", needs, "x86_64", noWC, absentFor(noWC), on, false, Unproven},
		{"listed with another reason", wc, "x86_64", "no device", absentFor("no device"), on, false, Unproven},
	} {
		e := evidence{row: tc.row, guest: Guest{Arch: tc.arch, Setting: setting(t, "integrity")}, config: tc.config, image: tc.image, control: tc.control, observed: absentFor(tc.why)}
		cases = append(cases, judgeCase{tc.name, e, tc.want})
	}
	return cases
}

// lifeCases are about guests and probes without an observation.
func lifeCases(t *testing.T) []judgeCase {
	row := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}}}
	x86 := row
	x86.Only = []string{"x86_64"}
	guest := Guest{Arch: "arm64", Setting: setting(t, "none")}
	allowed := saw(scenarios.Allowed)
	failed, lost := End{Ending: FailedByLab, Detail: "no QEMU"}, End{Ending: LostByGuest, Cause: "panic"}
	return []judgeCase{
		{"a probe that this lab does not have", evidence{unknown: true, guest: guest, observed: allowed, control: allowed}, Unproven},
		{"not run", evidence{row: row, guest: guest, notRun: true}, NotRun},
		{"not run, another architecture", evidence{row: x86, guest: guest, notRun: true}, Unavailable},
		{"the lab failed", evidence{row: row, guest: guest, end: failed}, Unproven},
		{"the lab failed after the probe", evidence{row: row, guest: guest, end: failed, observed: allowed, control: allowed}, Unproven},
		{"lost before the probe", evidence{row: row, guest: guest, end: lost, control: allowed}, Lost},
		{"lost after the probe", evidence{row: row, guest: guest, end: lost, observed: allowed, control: allowed}, Open},
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

// whole is the observation with all that the kernel logged of it.
func whole(o *scenarios.Observation, log ...string) *scenarios.Observation {
	o.LogWhole, o.Log = true, log
	return o
}

// attributionCases are cases in which more than the probe's own reason matters:
// shadows, gaps, the boot, counters, call sites.
func attributionCases(t *testing.T) (cases []judgeCase) {
	const mem, trace, core = "/dev/mem,kmem,port", "use of tracefs", "/proc/kcore access"
	plain := scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}}
	shadowed := scenarios.Probe{Claim: scenarios.Claim{Reason: "kprobes", ShadowedBy: []scenarios.Shadow{{Reason: "tracefs", Why: "the file is in tracefs"}}}}
	gap := scenarios.Probe{Claim: scenarios.Claim{Reason: "kcore", Expect: scenarios.Gap, Source: "v6.12"}}
	older := gap
	older.Setup = func(context.Context, scenarios.Env) (func(context.Context) scenarios.Report, scenarios.Report) {
		return nil, scenarios.Report{}
	}
	behind := gap
	behind.ShadowedBy = []scenarios.Shadow{{Reason: "tracefs", Why: "the entry point"}}
	early := scenarios.Probe{Claim: scenarios.Claim{Reason: "tracefs"}, Where: scenarios.Where{CheckedAtBoot: true}}
	hidden := scenarios.Probe{Claim: scenarios.Claim{Reason: "tracefs"}, Where: scenarios.Where{AbsentIfLockedAtBoot: true}}
	allowed, denied := saw(scenarios.Allowed), saw(scenarios.Denied)
	logged := saw(scenarios.Denied, denialLine)
	counts := scenarios.State{Counts: true}
	bootDenied := scenarios.State{Counts: true, Checks: []scenarios.Check{
		{Label: core, Comm: "ldp-1", Denials: 1}, {Label: trace, Comm: "swapper/0", Checks: 4, Denials: 4}}}
	sited := scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}, Where: scenarios.Where{Site: "drivers/char/mem.c:open_port"}}
	olderSited := sited
	olderSited.Setup = older.Setup
	at := func(call string, denials int) *scenarios.Observation {
		o := counted(scenarios.Denied, mem)
		o.Checks[0].Site = "fs/other.c:other"
		o.Checks = append(o.Checks, scenarios.Check{Site: call, Label: mem, Comm: o.Comm, Checks: 1, Denials: denials})
		return o
	}
	// Sites of a known source have the name of their call here.
	calls := map[string]string{}
	for _, call := range []string{sited.Site, "kernel/trace/trace.c:register_tracer", "fs/other.c:other", "fs/third.c:third", "q.c:q"} {
		calls[call] = call
	}
	sitedShadowed, behindSited := sited, behind
	sitedShadowed.ShadowedBy, behindSited.Site = behind.ShadowedBy, sited.Site
	shadowedLater := counted(scenarios.Denied, trace)
	shadowedLater.Checks = append(shadowedLater.Checks, scenarios.Check{Site: sited.Site, Label: mem, Comm: "ldp-1", Checks: 1})
	askedShadow := counted(scenarios.Denied, trace)
	askedShadow.Checks[0].Site = sited.Site
	asks := map[string]lockdown.Reason{sited.Site: "dev_mem", "fs/other.c:other": "a_reason_of_another_kernel"}
	elsewhereOnly := counted(scenarios.Denied, core)
	elsewhereOnly.Checks[0].Site = "fs/other.c:other"
	bootOther := scenarios.State{Counts: true, Checks: []scenarios.Check{{Site: "kernel/trace/trace.c:register_tracer", Label: trace, Comm: "ldp-1", Checks: 1, Denials: 1}}}
	twice := counted(scenarios.Denied, mem)
	twice.Checks[0].Site, twice.Checks[0].Checks = sited.Site, 2
	letAndFailed := at(sited.Site, 0)
	letAndFailed.Outcome = scenarios.Failed
	wentOn := counted(scenarios.Allowed, mem)
	refusedAndFailed := counted(scenarios.Failed, mem)
	atBootSite := scenarios.Probe{Claim: scenarios.Claim{Reason: "tracefs"}, Where: scenarios.Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:register_tracer"}}
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
		{"logged by a kernel without counters", plain, "integrity", logged, &scenarios.State{}, Enforced},
		{"logged, for a reason that is not locked, too", plain, "dev_mem@runtime",
			saw(scenarios.Denied, denialLine, strings.Replace(denialLine, mem, trace, 1)), &scenarios.State{}, Overblocked},
		{"counted, nothing locked", plain, "none", counted(scenarios.Denied, mem), &counts, Overblocked},
		{"another reason's denial", plain, "none", counted(scenarios.Denied, core), &counts, Overblocked},
		{"counted, not logged, and the log is not whole", plain, "integrity", counted(scenarios.Denied, mem), &counts, Enforced},
		{"counted, not logged, and the log is whole", plain, "integrity", whole(counted(scenarios.Denied, mem)), &counts, Unattributed},
		{"counted, logged for another reason", plain, "integrity", whole(counted(scenarios.Denied, mem), strings.Replace(denialLine, mem, trace, 1)), &counts, Unattributed},
		{"counted, logged for another task", plain, "integrity", whole(counted(scenarios.Denied, mem), strings.Replace(denialLine, "ldp-1", "ldp-2", 1)), &counts, Unattributed},
		{"counted and logged", plain, "integrity", whole(counted(scenarios.Denied, mem), denialLine), &counts, Enforced},
		{"at its own site", sited, "integrity", at(sited.Site, 1), &counts, Enforced},
		{"at a site that cannot be named", sited, "integrity", counted(scenarios.Denied, mem), &counts, Unattributed},
		{"its own site asked for its shadow's reason", sitedShadowed, "confidentiality@runtime", askedShadow, &counts, Unattributed},
		{"at another site", sited, "integrity", at("fs/third.c:third", 1), &counts, Unattributed},
		{"let through at its own, refused by another", sited, "integrity", at(sited.Site, 0), &counts, Leak},
		{"let through at its own, failed behind it", sited, "integrity", letAndFailed, &counts, Leak},
		{"refused for what is not locked, went on", sited, "kcore@runtime", wentOn, &counts, Overblocked},
		{"refused for what is not locked, failed", sited, "none", refusedAndFailed, &counts, Overblocked},
		{"its site refused at boot, unlocked", atBootSite, "none", allowed, &bootRefused, Overblocked},
		{"another site refused at boot, unlocked", elsewhere, "none", allowed, &bootRefused, Overblocked},
		{"another reason refused at boot, unlocked", scenarios.Probe{Claim: scenarios.Claim{Reason: "kcore"}, Where: scenarios.Where{CheckedAtBoot: true, Site: "k.c:k"}}, "none", allowed, &bootRefused, Open},
		{"its site refused at boot, locked", atBootSite, "tracefs@boot", denied, &bootRefused, Enforced},
		{"its site let through at boot", atBootSite, "tracefs@boot", denied, &bootLet, Leak},
		{"shadowed", shadowed, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"shadowed, though its own is locked", shadowed, "confidentiality@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"by its own, though a shadow is locked", shadowed, "confidentiality@runtime", counted(scenarios.Denied, trace, "use of kprobes"), &counts, Enforced},
		{"by its own, which is not locked", shadowed, "tracefs@runtime", counted(scenarios.Denied, "use of kprobes"), &counts, Overblocked},
		{"a shadow that lets through", shadowed, "tracefs@runtime", allowed, &counts, Leak},
		{"a shadow that is not locked", shadowed, "kcore@runtime", allowed, &counts, Open},
		{"gap", gap, "kcore@runtime", allowed, &counts, OpenGap},
		{"gap, unlocked", gap, "none", allowed, &counts, Open},
		{"gap closed", gap, "kcore@boot", counted(scenarios.Denied, core), &counts, GapClosed},
		{"gap denied, no reason named", gap, "kcore@boot", denied, &counts, Unattributed},
		{"gap denied, unlocked", gap, "none", denied, &counts, Overblocked},
		{"shadowed gap", behind, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Shadowed},
		{"shadowed gap, both locked", behind, "confidentiality@runtime", counted(scenarios.Denied, trace, core), &counts, Shadowed},
		{"gap behind a shadow that leaks", behind, "tracefs@runtime", allowed, &counts, Leak},
		{"gap behind a shadow that is not locked", behind, "kcore@runtime", allowed, &counts, OpenGap},
		{"older than the lock", older, "kcore@runtime", allowed, &counts, OpenGap},
		{"let through at its own, which is not locked, and shadowed", sitedShadowed, "tracefs@runtime", shadowedLater, &counts, Shadowed},
		{"shadowed gap, its own reason named at another site", behindSited, "confidentiality@runtime", elsewhereOnly, &counts, Enforced},
		{"a probe was refused during boot, unlocked", atBootSite, "none", allowed, &bootOther, Open},
		{"checked before the lock and after it", olderSited, "integrity@runtime", twice, &counts, Enforced},
		{"checked before the lock, denied at another site after it", olderSited, "integrity@runtime", at("fs/third.c:third", 1), &counts, Unattributed},
		{"the lock is older, at another site", olderSited, "integrity", at("fs/third.c:third", 1), &counts, Enforced},
		{"the lock is older", older, "kcore@boot", counted(scenarios.Denied, core), &counts, Enforced},
		{"the lock is older and leaks", older, "kcore@boot", allowed, &counts, Leak},
		{"at boot", early, "tracefs@boot", denied, &bootDenied, Enforced},
		{"at boot, logged", early, "tracefs@boot", denied, &bootLogged, Enforced},
		{"at boot, no evidence", early, "tracefs@boot", denied, &bootAllowed, Unattributed},
		{"at boot, no state", early, "tracefs@boot", denied, nil, Unattributed},
		{"at boot, evidence of a probe", scenarios.Probe{Claim: scenarios.Claim{Reason: "kcore"}, Where: scenarios.Where{CheckedAtBoot: true}}, "kcore@boot", denied, &probeDenied, Unattributed},
		{"at boot, leaks", early, "tracefs@boot", allowed, &bootAllowed, Leak},
		{"at boot, locked later", early, "tracefs@runtime", allowed, &counts, Open},
		{"at boot, locked later, denied", early, "tracefs@runtime", denied, &counts, Overblocked},
		{"hidden at boot", hidden, "tracefs@boot", denied, &bootDenied, Enforced},
		{"not hidden at run time", hidden, "tracefs@runtime", denied, &bootDenied, Unattributed},
		{"refused at run time", hidden, "tracefs@runtime", counted(scenarios.Denied, trace), &counts, Enforced},
	} {
		row := scenarios.Row{ID: "p", Probe: tc.probe}
		guest := Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}
		cases = append(cases, judgeCase{tc.name, evidence{row: row, guest: guest, control: allowed, observed: tc.saw, boot: tc.boot, calls: calls, asks: asks}, tc.want})
	}
	return cases
}

// abiCases are about lockdown's own files.
func abiCases(*testing.T) (cases []judgeCase) {
	row := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Expect: scenarios.ABI}}}
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
		for _, iface := range lockdown.Interfaces() { // the level file is an ABI for all of them
			o := saw(scenarios.Answered)
			o.Ops = tc.steps
			e := evidence{row: row, guest: Guest{Interface: iface, Arch: "x86_64"}, observed: o}
			cases = append(cases, judgeCase{fmt.Sprintf("%s on %s", tc.name, iface), e, tc.want})
		}
	}
	return cases
}
