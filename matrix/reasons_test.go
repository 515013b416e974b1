package matrix

import (
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func TestByReason(t *testing.T) {
	checked, unchecked := scenarios.Checked.String(), scenarios.Unchecked.String()
	row := func(r lockdown.Reason, expect string, vs ...Verdict) TableRow {
		row := TableRow{Reason: r, Expect: expect}
		for _, v := range vs {
			row.Cells = append(row.Cells, Cell{Judgment: Judgment{Verdict: v}})
		}
		return row
	}
	table := Table{Arch: "arm64", Columns: make([]Column, 3), Rows: []TableRow{
		row("dev_mem", checked, Open, Enforced, Enforced),
		row("dev_mem", checked, Open, Enforced, Leak),
		row("dev_mem", unchecked, Open, Overblocked, Open), // a negative control has a verdict of its own
		row("kexec", checked, Unavailable, Unavailable, Unavailable),
		row("kexec", checked, Open, Unavailable, Enforced),
		row("kprobes", checked, Open, Open, Enforced),
		row("kprobes", checked, Open, Shadowed, Shadowed),
	}}
	want := []ReasonSummary{
		{"dev_mem", []Verdict{Open, Enforced, Leak}},
		{"kexec", []Verdict{Open, Unavailable, Enforced}},
		{"kprobes", []Verdict{Open, Open, Enforced}},
	}
	if got := table.ByReason(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	rs := table.Reasons()
	if !reflect.DeepEqual(rs.Enforced, []lockdown.Reason{"kexec", "kprobes"}) || !reflect.DeepEqual(rs.Doubtful, []lockdown.Reason{"dev_mem"}) || rs.Of != 28 || len(rs.OutOfReach) != 9 {
		t.Errorf("%+v", rs)
	}
}

// TestReasonIsEnforcedOnlyIfNothingIsUnexpected breaks one cell of a reason.
func TestReasonIsEnforcedOnlyIfNothingIsUnexpected(t *testing.T) {
	for _, v := range Verdicts() {
		for _, expect := range []scenarios.Expectation{scenarios.Checked, scenarios.Unchecked, scenarios.Gap} {
			table := Table{Arch: "x86_64", Rows: []TableRow{
				{Reason: "kexec", Expect: scenarios.Checked.String(), Cells: []Cell{{Judgment: Judgment{Verdict: Enforced}}}},
				{Reason: "kexec", Expect: expect.String(), Cells: []Cell{{Judgment: Judgment{Verdict: v}}}},
			}}
			rs := table.Reasons()
			if enforced := len(rs.Enforced) == 1; enforced != v.Expected() || (len(rs.Doubtful) == 1) == enforced {
				t.Errorf("a cell is %s: enforced %v, doubtful %v", v, rs.Enforced, rs.Doubtful)
			}
		}
	}
}
