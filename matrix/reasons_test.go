package matrix

import (
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func TestByReason(t *testing.T) {
	gated, free := scenarios.Checked.String(), scenarios.Unchecked.String()
	row := func(r lockdown.Reason, expect string, vs ...Verdict) Row {
		row := Row{Reason: r, Expect: expect}
		for _, v := range vs {
			row.Cells = append(row.Cells, Cell{Judgment: Judgment{Verdict: v}})
		}
		return row
	}
	table := Table{Arch: "arm64", Columns: make([]Column, 3), Rows: []Row{
		row("dev_mem", gated, Open, Enforced, Enforced),
		row("dev_mem", gated, Open, Enforced, Leak),
		row("dev_mem", free, Open, Overblocked, Open), // a negative control speaks for itself
		row("kexec", gated, Unavailable, Unavailable, Unavailable),
		row("kexec", gated, Open, Unavailable, Enforced),
		row("kprobes", gated, Open, Open, Enforced),
		row("kprobes", gated, Open, Shadowed, Shadowed),
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
	if !reflect.DeepEqual(rs.Enforced, []lockdown.Reason{"dev_mem", "kexec", "kprobes"}) || rs.Of != 28 || len(rs.Beyond) != 9 {
		t.Errorf("%+v", rs)
	}
}
