package plan

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/scenarios"
)

// TestJobs: the probes of a setting share a guest, the control runs all of them, and
// steps have a guest of their own.
func TestJobs(t *testing.T) {
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	steps := []scenarios.Step{{Call: "read", File: "/x"}}
	jobs := []Job{
		{Setting: "integrity@boot", Probes: []string{"msr/read"}},
		{Setting: "kcore@runtime", Probes: []string{"kcore/open"}},
		{Setting: "none", Probes: []string{"devmem/open"}},
		{Name: "a", Setting: "integrity@boot", Steps: steps},
		{Setting: "integrity@boot", Probes: []string{"devmem/open", "msr/read"}},
		{Name: "b", Setting: "integrity@boot", Steps: steps, Machine: scenarios.Firmware},
	}
	plan := func(jobs []Job, kernel string) (*Plan, error) {
		return New(tables, Selection{Kernels: []string{kernel}, Arches: []string{"x86_64"}, Jobs: jobs}, kernels.Resolved{}, nil)
	}
	p, err := plan(jobs, "bitmap")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Probes, " "); got != "devmem/open kcore/open msr/read" {
		t.Errorf("probes: %s", got)
	}
	var guests []string
	for _, g := range p.Guests {
		guests = append(guests, g.ID()+": "+strings.Join(g.Probes(p.Probes), " "))
	}
	want := []string{
		"bitmap/x86_64/none: devmem/open kcore/open msr/read",
		"bitmap/x86_64/integrity@boot: devmem/open msr/read",
		"bitmap/x86_64/kcore@runtime: kcore/open",
		"bitmap/x86_64/integrity@boot/job a: steps/run",
		"bitmap/x86_64/integrity@boot/job b: steps/run-firmware",
	}
	if strings.Join(guests, "\n") != strings.Join(want, "\n") {
		t.Errorf("guests:\n%s", strings.Join(guests, "\n"))
	}
	if p, err := plan(jobs[3:4], "stock"); err != nil || len(p.Guests) != 1 || len(p.Probes) != 0 {
		t.Errorf("steps alone: %+v, %v", p, err)
	}
	for _, tc := range []struct {
		job  Job
		want string
	}{
		{Job{Setting: "integrity@boot", Probes: []string{"no/such"}}, "unknown probe"},
		{Job{Setting: "bad@boot", Probes: []string{"msr/read"}}, "unknown reason or level"},
		{Job{Setting: "kcore@runtime", Probes: []string{"msr/read"}}, "cannot lock single reasons"},
		{Job{Setting: "none", Steps: []scenarios.Step{{Call: "read"}}}, "no file"},
	} {
		if _, err := plan([]Job{tc.job}, "stock"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.job, err, tc.want)
		}
	}
}
