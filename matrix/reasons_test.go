package matrix

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func TestTally(t *testing.T) {
	seen := saw(scenarios.Allowed)
	seen.Variants = make([]scenarios.Variant, 3)
	table := Table{Kernel: "k", Arch: "arm64", Rows: []TableRow{
		{Probe: "p", Expect: "checked", Cells: []Cell{{Judgment: Judgment{Verdict: Open}, Observed: seen}, {Judgment: Judgment{Verdict: Enforced}, AtSite: true}}},
		{Probe: "q", Expect: "checked", Cells: []Cell{{Judgment: Judgment{Verdict: Open}}, {Judgment: Judgment{Verdict: Shadowed}}}},
		{Probe: "r", Expect: "gap", Cells: []Cell{{Judgment: Judgment{Verdict: Open}}, {Judgment: Judgment{Verdict: Leak}, AtSite: true}}},
	}}
	want := Tally{Probes: map[string]int{"checked": 2, "gap": 1}, Variants: 6, Verdicts: 12, Denials: 4, AtSite: 2}
	if got := (&Matrix{Tables: []Table{table, table}}).Tally(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

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
	if !reflect.DeepEqual(rs.Enforced, []lockdown.Reason{"kexec", "kprobes"}) || !reflect.DeepEqual(rs.Leaking, []lockdown.Reason{"dev_mem"}) || rs.Of != 28 || len(rs.OutOfReach) != 9 {
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
			if enforced := len(rs.Enforced) == 1; enforced != v.Expected() || (len(rs.Doubtful)+len(rs.Leaking) == 1) == enforced || (len(rs.Leaking) == 1) != (v == Leak) {
				t.Errorf("a cell is %s: enforced %v, leaking %v, doubtful %v", v, rs.Enforced, rs.Leaking, rs.Doubtful)
			}
		}
	}
}

// TestUntested: a reason that the plan locks and probes must be enforced
// somewhere, or the report names it.
func TestUntested(t *testing.T) {
	const probe = "msr/write"
	row := func(vs ...Verdict) []TableRow {
		r := TableRow{Probe: probe, Reason: "msr", Expect: scenarios.Checked.String()}
		for _, v := range vs {
			r.Cells = append(r.Cells, Cell{Judgment: Judgment{Verdict: v, Why: "CONFIG_X86_MSR"}})
		}
		return []TableRow{r}
	}
	columns := func(texts ...string) (list []Column) {
		for _, text := range texts {
			list = append(list, Column{Setting: setting(t, text)})
		}
		return list
	}
	for _, tc := range []struct {
		name    string
		arch    string
		columns []Column
		rows    []TableRow
		want    string // empty: nothing is untested
	}{
		{"enforced", "x86_64", columns("none", "integrity@boot"), row(Open, Enforced), ""},
		{"unavailable", "x86_64", columns("none", "integrity@boot"), row(Unavailable, Unavailable), "k x86_64: msr (CONFIG_X86_MSR)"},
		{"shadowed", "x86_64", columns("none", "integrity@boot"), row(Open, Shadowed), "k x86_64: msr (only reached behind another reason)"},
		{"leaking", "x86_64", columns("none", "integrity@boot"), row(Open, Leak), ""}, // it is named as leaking
		{"not locked in this plan", "x86_64", columns("none", "kexec@runtime"), row(Open, Open), ""},
		{"nothing is locked", "x86_64", columns("none"), row(Open), "k x86_64: msr (no setting locks it)"},
		{"another architecture", "arm64", columns("none", "integrity@boot"), row(Unavailable, Unavailable), ""},
		{"no probe selected", "x86_64", columns("none", "integrity@boot"), nil, ""},
	} {
		m := Matrix{Tables: []Table{{Kernel: "k", Arch: tc.arch, Columns: tc.columns, Rows: tc.rows}}}
		if got := strings.Join(m.Untested(), ","); got != tc.want {
			t.Errorf("%s: untested %q, want %q", tc.name, got, tc.want)
		}
	}
}
