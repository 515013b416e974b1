package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

const (
	showsNone  = "[none] integrity confidentiality\n"
	showsInteg = "none [integrity] confidentiality\n"
	showsConf  = "none integrity [confidentiality]\n"
)

// TestNotLocked: the setting must hold from the lock to the end, and a probe that
// takes it back is named.
func TestNotLocked(t *testing.T) {
	write := func(data string) scenarios.Observation {
		return scenarios.Observation{Probe: "abi", Report: scenarios.Report{Outcome: scenarios.Answered, Ops: []lockdown.Op{{Call: "write", File: lockdown.LevelFile, Data: data}}}}
	}
	lost := scenarios.Observation{Probe: "loses", Left: []string{lockdown.LevelFile + ` has "[none] integrity confidentiality"`}}
	plain := scenarios.Observation{Probe: "p"}
	for _, tc := range []struct {
		name        string
		locked, end string
		obs         []scenarios.Observation
		want        string
	}{
		{"good", showsInteg, showsInteg, []scenarios.Observation{plain}, ""},
		{"raised by a probe", showsInteg, showsConf, []scenarios.Observation{plain, write("confidentiality")}, ""},
		{"the interface deviates, which is a verdict of its own", showsInteg, showsNone, []scenarios.Observation{plain, write("none")}, ""},
		{"another level", showsNone, showsNone, []scenarios.Observation{plain}, "after the lock, "},
		{"lost under way", showsInteg, showsNone, []scenarios.Observation{plain}, "after the probes, "},
		{"lost by a probe before", showsInteg, showsNone, []scenarios.Observation{lost, plain}, "after loses, "},
		{"lost by a probe after", showsInteg, showsNone, []scenarios.Observation{plain, lost}, ""},
	} {
		m := MachineRun{Observations: tc.obs, States: []scenarios.State{{When: guestproto.WhenLocked, Level: tc.locked}, {When: guestproto.WhenEnd, Level: tc.end}}}
		got := m.notLocked(Guest{Interface: lockdown.Upstream, Setting: setting(t, "integrity@boot")}, nil, "p")
		if (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// footCases are about what a probe leaves behind, and settings that do not hold.
func footCases(t *testing.T) (cases []judgeCase) {
	checked := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}}}
	free := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", Expect: scenarios.Unchecked}}}
	allowed, named := saw(scenarios.Allowed), saw(scenarios.Denied, denialLine)
	leaving := func(o *scenarios.Observation, left string) *scenarios.Observation {
		c := *o
		c.Left = []string{left}
		return &c
	}
	module := "/proc/modules has \"x\""
	level := lockdown.LevelFile + " has \"[none]\""
	for _, tc := range []struct {
		name      string
		row       scenarios.Row
		saw       *scenarios.Observation
		notLocked string
		want      Verdict
	}{
		{"denied, a module stays", checked, leaving(named, module), "", Unproven},
		{"allowed as expected, a module stays", free, leaving(allowed, module), "", Unproven},
		{"a leak that leaves a module", checked, leaving(allowed, module), "", Leak},
		{"denied, and not locked any more", checked, named, "x", NotLocked},
		{"allowed, and not locked", checked, allowed, "x", NotLocked},
		{"open, and not locked", free, allowed, "x", Open},
		{"open, and takes the lock back", free, leaving(allowed, level), "x", NotLocked},
	} {
		cases = append(cases, judgeCase{tc.name, evidence{row: tc.row, guest: Guest{Arch: "x86_64", Setting: setting(t, "integrity")},
			control: allowed, observed: tc.saw, notLocked: tc.notLocked}, tc.want})
	}
	return cases
}
