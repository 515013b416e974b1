package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// TestJobs: a guest that did the steps of a finding is no column of the matrix, and
// has what it answered.
func TestJobs(t *testing.T) {
	set, _ := lockdown.ParseSetting("integrity@boot")
	guest := Guest{Kernel: "stock", Arch: "x86_64", Setting: set, Job: "a/integrity@boot", Steps: []scenarios.Step{{Call: "open", File: "/dev/mem"}}}
	o := scenarios.Observation{Probe: scenarios.StepsID, Report: scenarios.Report{Outcome: scenarios.Answered, Steps: []scenarios.Step{{Call: "open", Err: "EPERM", Done: true}}}}
	control := Guest{Kernel: "stock", Arch: "x86_64"}
	m, err := Build(Header{Plan: []Guest{control, guest}, Probes: []string{"devmem/open"}}, []Result{{Guest: guest, Machines: []MachineRun{{Observations: []scenarios.Observation{o}}}}})
	if err != nil {
		t.Fatal(err)
	}
	tab := m.Tables[0]
	if len(tab.Columns) != 1 || len(tab.Rows[0].Cells) != 1 || len(tab.Jobs) != 1 {
		t.Fatalf("%d columns, %d cells, %d jobs", len(tab.Columns), len(tab.Rows[0].Cells), len(tab.Jobs))
	}
	if job := tab.Jobs[0]; job.Job != guest.Job || job.Observed == nil || job.Observed.Steps[0].Err != "EPERM" {
		t.Errorf("%+v", job)
	}
}

// TestJobNotLocked: a guest whose setting was not in force before its steps has why. A
// level that the steps changed is none of that.
func TestJobNotLocked(t *testing.T) {
	const none, integrity = "[none] integrity confidentiality\n", "none [integrity] confidentiality\n"
	state := func(when, lsm, level string) scenarios.State {
		return scenarios.State{When: when, LSM: lsm, Level: level}
	}
	for _, tc := range []struct {
		name, setting string
		states        []scenarios.State
		want          string
	}{
		{"in force", "integrity@boot", []scenarios.State{state(guestproto.WhenLocked, "lockdown", integrity)}, ""},
		{"raised by a step", "integrity@boot", []scenarios.State{state(guestproto.WhenLocked, "lockdown", integrity), state(guestproto.WhenEnd, "lockdown", "none integrity [confidentiality]\n")}, ""},
		{"never locked", "integrity@boot", []scenarios.State{state(guestproto.WhenLocked, "lockdown", none)}, "after the lock"},
		{"no security module", "integrity@boot", []scenarios.State{state(guestproto.WhenLocked, "yama", integrity)}, "without lockdown"},
		{"nothing to lock", "none", []scenarios.State{state(guestproto.WhenLocked, "lockdown", integrity)}, ""},
	} {
		set, _ := lockdown.ParseSetting(tc.setting)
		guest := Guest{Kernel: "stock", Arch: "x86_64", Interface: lockdown.Upstream, Setting: set, Job: "a/x", Steps: []scenarios.Step{{Call: "open", File: "/dev/mem"}}}
		o := scenarios.Observation{Probe: scenarios.StepsID}
		m, err := Build(Header{Plan: []Guest{guest}}, []Result{{Guest: guest, Machines: []MachineRun{{States: tc.states, Observations: []scenarios.Observation{o}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tables[0].Jobs[0].NotLocked; (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
