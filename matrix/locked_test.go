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

// TestNotInForce: what keeps a setting from being in force is named, whatever the
// level file shows.
func TestNotInForce(t *testing.T) {
	for _, tc := range []struct {
		name, setting string
		state         scenarios.State
		want          string
	}{
		{"in force", "integrity@boot", scenarios.State{LSM: "lockdown,capability\n", Level: showsInteg}, ""},
		{"no list", "integrity@boot", scenarios.State{Level: showsInteg}, ""},
		{"left out", "integrity@boot", scenarios.State{LSM: "capability,yama\n", Level: showsInteg}, `/sys/kernel/security/lsm is "capability,yama", without lockdown, and /sys/kernel/security/lockdown reads "none [integrity] confidentiality"`},
		{"left out, no file", "integrity@boot", scenarios.State{LSM: "capability,yama\n"}, `/sys/kernel/security/lsm is "capability,yama", without lockdown, and there is no /sys/kernel/security/lockdown`},
		{"left out, a similar name", "integrity@boot", scenarios.State{LSM: "capability,lockdown2", Level: showsInteg}, `without lockdown`},
		{"nothing to lock", "none", scenarios.State{LSM: "capability", Level: showsNone}, ""},
		{"refused", "integrity@runtime", scenarios.State{LSM: "lockdown", Level: showsConf, Errors: []string{"uname: x", guestproto.LockFailed + "write = EPERM"}}, "the lock failed: write = EPERM"},
		{"the kernel did not lock itself", "integrity@kernel", scenarios.State{LSM: "lockdown", Level: showsNone}, "after the lock, "},
	} {
		tc.state.When = guestproto.WhenLocked
		m := MachineRun{States: []scenarios.State{tc.state}}
		got := m.notLocked(Guest{Interface: lockdown.Upstream, Setting: setting(t, tc.setting)}, nil, "p")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestNothingDenied: a kernel that denies nothing for several locked reasons is not
// locked, whatever its files show. One reason that lets everything through leaks.
func TestNothingDenied(t *testing.T) {
	all := []string{"devmem/open", "kexec/load", "msr/write"}
	for _, tc := range []struct {
		name     string
		outcomes []scenarios.Outcome // of all
		want     Verdict             // of the first
	}{
		{"nothing denied", []scenarios.Outcome{scenarios.Allowed, scenarios.Allowed, scenarios.Allowed}, NotLocked},
		{"two of three", []scenarios.Outcome{scenarios.Allowed, scenarios.Allowed, scenarios.Unavailable}, NotLocked},
		{"one denied", []scenarios.Outcome{scenarios.Allowed, scenarios.Denied, scenarios.Allowed}, Leak},
		{"one reason", []scenarios.Outcome{scenarios.Allowed, scenarios.Unavailable, scenarios.Unavailable}, Leak},
	} {
		result := func(text string, outcomes []scenarios.Outcome) *Result {
			r := &Result{Guest: Guest{Arch: "x86_64", Interface: lockdown.Upstream, Setting: setting(t, text)}}
			m := MachineRun{States: []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: map[string]string{"none": showsNone, "integrity@boot": showsInteg}[text]}}}
			for i, o := range outcomes {
				m.Observations = append(m.Observations, scenarios.Observation{Probe: all[i], Report: scenarios.Report{Outcome: o, Call: "act"}})
			}
			r.Machines = []MachineRun{m}
			return r
		}
		control := result("none", []scenarios.Outcome{scenarios.Allowed, scenarios.Allowed, scenarios.Allowed})
		r := result("integrity@boot", tc.outcomes)
		cell := JudgeProbe(all[0], r.Guest, r, control, Kernel{})
		if cell.Verdict != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, cell.Verdict, cell.Why, tc.want)
		}
		if tc.want == NotLocked && !strings.Contains(cell.Why, `reads "none [integrity] confidentiality", and nothing of what was tried for`) {
			t.Errorf("%s: %s", tc.name, cell.Why)
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
		{"open, and nothing is denied", free, allowed, "", Open},
		{"open, and takes the lock back", free, leaving(allowed, level), "x", NotLocked},
	} {
		cases = append(cases, judgeCase{tc.name, evidence{row: tc.row, guest: Guest{Arch: "x86_64", Setting: setting(t, "integrity")},
			control: allowed, observed: tc.saw, notLocked: tc.notLocked}, tc.want})
	}
	return append(cases, judgeCase{"nothing is denied", evidence{row: checked, guest: Guest{Arch: "x86_64", Setting: setting(t, "integrity")},
		control: allowed, observed: allowed, nothingDenied: "x"}, NotLocked})
}

// lockedBeforeCases are about kernels whose configuration, or whose user, locked them.
func lockedBeforeCases(t *testing.T) (cases []judgeCase) {
	mem, core := scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}}, scenarios.Probe{Claim: scenarios.Claim{Reason: "kcore"}}
	allowed, logged := saw(scenarios.Allowed), saw(scenarios.Denied, denialLine)
	counted := saw(scenarios.Denied)
	counted.Checks = []scenarios.Check{{Label: "/dev/mem,kmem,port", Comm: "ldp-1", Denials: 1}}
	for _, tc := range []struct {
		name    string
		probe   scenarios.Probe
		setting string
		saw     *scenarios.Observation
		counts  bool
		want    Verdict
	}{
		{"nothing is to be locked", mem, "none", logged, false, Unproven},
		{"nothing is to be locked, and it counts", mem, "none", counted, true, Unproven},
		{"another reason is to be locked", mem, "kexec@runtime", logged, false, Unproven},
		{"the level does not deny it", core, "none", logged, false, Overblocked},
		{"the level comes at run time, too, and does not deny it", core, "integrity@runtime", logged, false, Overblocked},
		{"the setting locks it at boot, and it does not deny it", core, "integrity@boot", logged, false, Overblocked},
		{"allowed all the same", mem, "none", allowed, false, Open},
	} {
		row, guest := scenarios.Row{ID: "p", Probe: tc.probe}, Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}
		boot := &scenarios.State{Level: showsInteg, Counts: tc.counts}
		cases = append(cases, judgeCase{"locked before: " + tc.name, evidence{row: row, guest: guest, control: allowed, observed: tc.saw, boot: boot}, tc.want})
	}
	return cases
}
