package matrix

import (
	"testing"

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
