package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// TestAgain: a cell is flaky if exactly one of two runs is as expected, whichever came
// first. The graver of two bad verdicts stays.
func TestAgain(t *testing.T) {
	for _, c := range []struct {
		first, second Verdict
		verdict, of   Verdict
		why           string
	}{
		{Enforced, Enforced, Enforced, "", "first"},
		{Enforced, Shadowed, Enforced, "", "first"},
		{Leak, Leak, Leak, "", "first"},
		{Leak, Enforced, Flaky, Leak, "LEAK, then enforced: first"},
		{Enforced, Leak, Flaky, Leak, "enforced, then LEAK: second"},
		{Unproven, Unavailable, Flaky, Unproven, "unproven, then unavailable: first"},
		{Leak, Unattributed, Leak, "", "LEAK, then unattributed: first"},
		{Unattributed, Leak, Leak, "", "unattributed, then LEAK: second"},
	} {
		got := Cell{Judgment: Judgment{Verdict: c.first, Why: "first"}, Observed: &scenarios.Observation{Comm: "first"}}.again(
			Cell{Judgment: Judgment{Verdict: c.second, Why: "second"}, Observed: &scenarios.Observation{Comm: "second"}})
		if got.Verdict != c.verdict || got.Of != c.of || got.Why != c.why {
			t.Errorf("%s, then %s: %+v, want %s of %q: %s", c.first, c.second, got.Judgment, c.verdict, c.of, c.why)
		}
		if !strings.HasSuffix(c.why, got.Observed.Comm) {
			t.Errorf("%s, then %s: the observation is that of the %s run", c.first, c.second, got.Observed.Comm)
		}
	}
}

// TestFlakyIsNotGreen: neither the matrix nor a reason with a flaky cell is as expected,
// unless flaky cells are accepted; a graver cell beside it is never accepted.
func TestFlakyIsNotGreen(t *testing.T) {
	cell := func(v, of Verdict) Cell { return Cell{Judgment: Judgment{Verdict: v, Of: of}} }
	m := &Matrix{Tables: []Table{{Rows: []TableRow{{Probe: "msr/write", Reason: "msr", Cells: []Cell{cell(Enforced, ""), cell(Flaky, Unproven)}}}}}}
	if m.AsExpected() || !m.AsExpected(Flaky) {
		t.Errorf("as expected: %v, with flaky cells accepted: %v", m.AsExpected(), m.AsExpected(Flaky))
	}
	if rs := m.Tables[0].Reasons(); len(rs.Doubtful) != 1 || len(rs.Enforced) != 0 {
		t.Errorf("%+v", rs)
	}
	m.Tables[0].Rows[0].Cells[0] = cell(Leak, "")
	if m.AsExpected(Flaky) {
		t.Error("a leak is accepted with the flaky cells")
	}
}

// TestKnownReasonHidesNothing: of two probes of a reason, what is known of one does not
// hide what is not known of the other.
func TestKnownReasonHidesNothing(t *testing.T) {
	row := func(v Verdict) TableRow {
		return TableRow{Probe: "msr/write", Reason: "msr", Expect: scenarios.Checked.String(), Cells: []Cell{{Judgment: Judgment{Verdict: v}}}}
	}
	for _, c := range []struct{ a, b, want Verdict }{{Known, Unattributed, Unattributed}, {Unattributed, Known, Unattributed}, {Known, Enforced, Known}, {Enforced, Known, Known}} {
		got := Table{Columns: []Column{{}}, Rows: []TableRow{row(c.a), row(c.b)}}.ByReason()
		if len(got) != 1 || got[0].Cells[0] != c.want {
			t.Errorf("%s and %s: %+v, want %s", c.a, c.b, got, c.want)
		}
	}
}
