package matrix

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// TestSplats: a kernel that reported a bug of its own is not as expected, whichever
// machine it was and however good its verdicts are, and the report names it once.
func TestSplats(t *testing.T) {
	const row = "free/x"
	var h Header
	var results []Result
	for _, text := range []string{"none", "integrity@boot", "confidentiality@boot"} {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		g := Guest{Kernel: "k", Arch: "x86_64", Interface: lockdown.Upstream, Setting: s}
		h.Plan = append(h.Plan, g)
		results = append(results, Result{Guest: g, Machines: []MachineRun{{}, {Profile: "kgdb"}}})
	}
	build := func() *Matrix {
		m, err := Build(h, results)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := build(); len(m.Splats()) > 0 {
		t.Errorf("reports %q", m.Splats())
	}
	results[1].Machines[1].States = []scenarios.State{{Splats: []string{"BUG: sleeping function at 0xffff81, ldp-0001/70"}}, {Splats: []string{"WARNING: b"}}}
	results[2].Machines[0].States = []scenarios.State{{Splats: []string{"BUG: sleeping function at 0xffff82, ldp-0002/71"}}}
	m := build()
	want := []string{
		"k/x86_64/integrity@boot and 1 more: BUG: sleeping function at 0xffff81, ldp-0001/70",
		"k/x86_64/integrity@boot: WARNING: b",
	}
	if got := m.Splats(); !slices.Equal(got, want) {
		t.Errorf("reports %q", got)
	}
	m.Tables[0].Rows = []TableRow{{Probe: row, Cells: []Cell{{Judgment: Judgment{Verdict: Open}}}}}
	if m.AsExpected() {
		t.Error("as expected in spite of the reports")
	}
	for i := range m.Tables[0].Columns {
		m.Tables[0].Columns[i].Splats = nil
	}
	if !m.AsExpected() {
		t.Error("not as expected without them")
	}
}

// TestLostAfterProbes: a guest that was lost after its last probe is not as expected,
// although its cells are. If a cell shows the loss, that cell decides.
func TestLostAfterProbes(t *testing.T) {
	for _, tc := range []struct {
		name     string
		cell     Judgment
		end      End
		lost, ok bool
	}{
		{"ended", Judgment{Verdict: Open}, End{}, false, true},
		{"lost after it", Judgment{Verdict: Open}, End{Ending: LostByGuest}, true, false},
		{"lost at it", Judgment{Verdict: Lost}, End{Ending: LostByGuest}, false, false},
		{"known to be lost at it", Judgment{Verdict: Known, Of: Lost}, End{Ending: LostByGuest}, false, true},
		{"known for something else", Judgment{Verdict: Known, Of: Leak}, End{Ending: LostByGuest}, true, false},
	} {
		table := Table{Columns: []Column{{End: tc.end}, {}}, Rows: []TableRow{{Cells: []Cell{{Judgment: tc.cell}, {Judgment: Judgment{Verdict: Open}}}}}}
		m := &Matrix{Tables: []Table{table}}
		if got := table.LostAfterProbes(0); got != tc.lost || table.LostAfterProbes(1) || m.AsExpected() != tc.ok {
			t.Errorf("%s: lost %v, as expected %v", tc.name, got, m.AsExpected())
		}
	}
}
