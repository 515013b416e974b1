package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

const denial = "Lockdown: ldp-1: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"

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
	free := scenarios.Row{ID: "p", Probe: scenarios.Probe{Reason: "dev_mem", Expect: scenarios.Free}}
	x86 := scenarios.Row{ID: "p", Probe: scenarios.Probe{Reason: "dev_mem", Only: []string{"x86_64"}}}
	allowed, denied, failed := saw(scenarios.Allowed), saw(scenarios.Denied), saw(scenarios.Failed)
	named := saw(scenarios.Denied, denial)
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
			saw(scenarios.Denied, strings.Replace(denial, "/dev/mem,kmem,port", "debugfs access", 1)), nil, Unattributed},
		{"denied, another probe named", gated, "integrity", "x86_64", allowed,
			saw(scenarios.Denied, strings.Replace(denial, "ldp-1", "ldp-10", 1)), nil, Unattributed},
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
		{"compiled out, configuration unknown", gated, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), nil, Unavailable},
		{"said to be compiled out, but is not", gated, "none", "x86_64", absentFor("CONFIG_X"), absentFor("CONFIG_X"), map[string]bool{"CONFIG_X": true}, Unproven},
		{"vanished when locked", gated, "integrity", "x86_64", allowed, absentFor("no device"), nil, Unproven},
		{"no observation", gated, "integrity", "x86_64", allowed, nil, nil, Lost},
	} {
		c := Case{Row: tc.row, Guest: Guest{Arch: tc.arch, Setting: setting(t, tc.setting)}, Config: tc.config, Control: tc.control, Observed: tc.saw}
		if got := Judge(c); got.Verdict != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Verdict, got.Why, tc.want)
		}
	}
}

func TestJudgeAnswers(t *testing.T) {
	row := scenarios.Row{ID: "p", Probe: scenarios.Probe{Expect: scenarios.Conforming}}
	read := lockdown.Step{Op: "read", File: lockdown.LevelFile, Data: "[none] integrity confidentiality\n"}
	refused := lockdown.Step{Op: "write", File: lockdown.LevelFile, Data: "none", Err: "EPERM"}
	taken := refused
	taken.Err = ""
	for _, tc := range []struct {
		name  string
		steps []lockdown.Step
		want  Verdict
	}{
		{"as the model", []lockdown.Step{read, refused, read}, Conforms},
		{"lowering succeeds", []lockdown.Step{read, taken}, Deviates},
		{"wrong errno", []lockdown.Step{{Op: "write", File: lockdown.LevelFile, Data: "none", Err: "EINVAL"}}, Deviates},
		{"no bracket", []lockdown.Step{{Op: "read", File: lockdown.LevelFile, Data: "none integrity confidentiality\n"}}, Deviates},
		{"nothing answered", nil, Unproven},
	} {
		for _, kind := range lockdown.Kinds() { // the level file is an ABI for all of them
			o := saw(scenarios.Answered)
			o.Steps = tc.steps
			if got := Judge(Case{Row: row, Guest: Guest{Kind: kind, Arch: "x86_64"}, Observed: o}); got.Verdict != tc.want {
				t.Errorf("%s on %s: %s (%s), want %s", tc.name, kind, got.Verdict, got.Why, tc.want)
			}
		}
	}
}
