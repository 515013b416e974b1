package report

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

// TestDamage: what is wrong with the results is in each format that has notes, and no
// format for other programs has a negative time.
func TestDamage(t *testing.T) {
	g := matrix.Guest{Kernel: "stock", Arch: "x86_64", Interface: lockdown.Upstream}
	r := matrix.Result{Guest: g, Tries: 1, Machines: []matrix.MachineRun{{Observations: []scenarios.Observation{
		{Probe: "devmem/open", Report: scenarios.Report{Outcome: scenarios.Allowed, Call: "open = 3"}, Duration: -63e6}}}}}
	m, err := matrix.Build(matrix.Header{Plan: []matrix.Guest{g}, Probes: []string{"devmem/open"}}, []matrix.Result{r, r})
	if err != nil || len(m.Problems) != 1 {
		t.Fatalf("%v, %+v", err, m)
	}
	for _, f := range Formats() {
		var b strings.Builder
		if err := f.Write(&b, Measurement{Matrix: m}); err != nil {
			t.Fatal(err)
		}
		if f.Name != "kernels" && !strings.Contains(b.String(), "has two results") {
			t.Errorf("%s: the problem is not there", f.Name)
		}
		if f.Name != "json" && f.Name != "html" && (strings.Contains(b.String(), "-0.06") || strings.Contains(b.String(), "-63")) {
			t.Errorf("%s has a negative time", f.Name)
		}
	}
}

// TestDiffNotRun: a guest that did not run is one line and not one for each probe, and
// what leaks now is told although it did not run before.
func TestDiffNotRun(t *testing.T) {
	change := func(probe string, before, now matrix.Verdict) diff.Change {
		return diff.Change{Kind: diff.OtherChange, Probe: probe, Before: before, Now: now, Settings: []string{"integrity@boot"}}
	}
	d := diff.Diff{Changes: []diff.Change{change("a/a", matrix.Enforced, matrix.NotRun), change("a/b", matrix.Open, matrix.NotRun), change("a/c", matrix.NotRun, matrix.Leak), change("a/d", matrix.NotRun, matrix.Open), change("a/e", matrix.Open, matrix.Unproven), change("a/f", matrix.Open, matrix.Unproven)}}
	d.Changes[4].Rule, d.Changes[5].Rule = matrix.NoControl, "failed"
	var b strings.Builder
	if err := Write(&b, "diff", Measurement{Diff: []diff.Diff{d}}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"integrity@boot did not run: 2 cells", "a/c: LEAK, before not run", "and did not run before: 1 cell\n", "because it has no control: 1 cell\n", "a/f: unproven", "6 verdicts changed"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "a/a") || strings.Contains(text, "a/d") || strings.Contains(text, "a/e") {
		t.Errorf("a line for a probe that did not run:\n%s", text)
	}
}

// TestDiffNoControl: a cell without a control is no line of its own, whether the control
// did not run, or ran on another host. Another unproven cell of the probe is a line.
func TestDiffNoControl(t *testing.T) {
	guest := func(setting string) matrix.Guest {
		s, err := lockdown.ParseSetting(setting)
		if err != nil {
			t.Fatal(err)
		}
		return matrix.Guest{Kernel: "stock", Arch: "x86_64", Interface: lockdown.Upstream, Setting: s}
	}
	control, locked := guest("none"), guest("integrity@boot")
	saw := func(g matrix.Guest, o scenarios.Outcome, accel string) matrix.Result {
		return matrix.Result{Guest: g, Host: matrix.Host{Accel: accel}, Tries: 1, Machines: []matrix.MachineRun{{Observations: []scenarios.Observation{
			{Probe: "devmem/open", Comm: "ldp-1", Log: []string{"Lockdown: ldp-1: /dev/mem,kmem,port is restricted"}, Report: scenarios.Report{Outcome: o, Call: "open"}}}}}}
	}
	build := func(results ...matrix.Result) *matrix.Matrix {
		m, err := matrix.Build(matrix.Header{Plan: []matrix.Guest{control, locked}, Probes: []string{"devmem/open"}}, results)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const a, d, line = scenarios.Allowed, scenarios.Denied, "integrity@boot proves nothing, because it has no control: 1 cell\n"
	for name, tt := range map[string]struct {
		now  []matrix.Result
		want bool
	}{
		"the control did not run":           {[]matrix.Result{saw(locked, d, "kvm")}, true},
		"the control ran on another host":   {[]matrix.Result{saw(control, a, "tcg"), saw(locked, d, "kvm")}, true},
		"the control of the probe failed":   {[]matrix.Result{saw(control, scenarios.Failed, "kvm"), saw(locked, d, "kvm")}, false},
		"another outcome of the locked one": {[]matrix.Result{saw(control, a, "kvm"), saw(locked, scenarios.Failed, "kvm")}, false},
	} {
		changes, err := diff.Compare(build(saw(control, a, "kvm"), saw(locked, d, "kvm")), build(tt.now...), "", "")
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := Write(&b, "diff", Measurement{Diff: changes}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), line); got != tt.want || strings.Contains(b.String(), "devmem/open: unproven, before enforced") == tt.want {
			t.Errorf("%s:\n%s", name, b.String())
		}
	}
}
