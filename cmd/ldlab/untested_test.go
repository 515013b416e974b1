package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestUntestedStatus: a plan whose reason was not tested has an exit status of
// its own, unless the user accepts that; a LEAK outranks it.
func TestUntestedStatus(t *testing.T) {
	for _, tc := range []struct {
		verdict matrix.Verdict
		allow   bool
		want    int
		splats  []string
	}{
		{matrix.Enforced, false, exitDiffers, []string{"BUG: a"}},
		{matrix.Enforced, false, exitExpected, nil},
		{matrix.Shadowed, false, exitUntested, nil},
		{matrix.Shadowed, true, exitExpected, nil},
		{matrix.Leak, true, exitDiffers, nil},
		{matrix.Unavailable, true, exitDiffers, nil}, // nothing was measured
		{matrix.Flaky, false, exitDiffers, nil},
		{matrix.Flaky, true, exitExpected, nil},
		{matrix.Known, false, exitExpected, nil},
	} {
		var errs bytes.Buffer
		c := newRun()
		c.SetErr(&errs)
		s, err := lockdown.ParseSetting("integrity@boot")
		if err != nil {
			t.Fatal(err)
		}
		open := matrix.TableRow{Probe: "devmem/open", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Open}}}} // something was measured
		if tc.verdict == matrix.Unavailable {
			open.Cells[0].Verdict = matrix.Unavailable
		}
		row := matrix.TableRow{Probe: "msr/write", Reason: "msr", Expect: scenarios.Checked.String(), Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: tc.verdict}}}}
		m := &matrix.Matrix{Tables: []matrix.Table{{Kernel: "k", Arch: "x86_64", Columns: []matrix.Column{{Setting: s, Splats: tc.splats}}, Rows: []matrix.TableRow{row, open}}}}
		got := exitExpected
		if err := verdict(c, m, accepted{untested: tc.allow, flaky: tc.allow}); err != nil {
			got = int(err.(exitError))
		}
		if got != tc.want || (got == exitUntested) != strings.Contains(errs.String(), "not tested: ") || (tc.splats != nil) != strings.Contains(errs.String(), "a bug of its own: k/x86_64/integrity@boot: BUG: a\n") {
			t.Errorf("%s, allowed %v: exit %d, want %d; %q", tc.verdict, tc.allow, got, tc.want, errs.String())
		}
	}
}
