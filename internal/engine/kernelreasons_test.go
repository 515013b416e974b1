package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// A kernel without a reason has no guest in which that is locked; the probes of the
// reason are unavailable, and nothing is unexpected.
func TestRunWithoutAReason(t *testing.T) {
	f := fake(t, t.TempDir(), nil)
	f.has = slices.DeleteFunc(lockdown.Reasons(), func(i lockdown.ReasonInfo) bool { return i.Reason == "perf" })
	f.guest = func(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
		if slices.Contains(g.Setting.Reasons, "perf") {
			t.Errorf("%s ran", g.ID())
		}
		return soundWith(f.has, ctx, g, probes)
	}
	m, err := f.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !m.AsExpected() {
		t.Errorf("not as expected: %v", m.Count())
	}
	lacking := 0
	for i, c := range m.Tables[0].Columns {
		for _, r := range m.Tables[0].Rows {
			beyond := slices.Contains(c.Setting.Reasons, "perf") || r.Reason == "perf" && r.Expect == "checked"
			switch v := r.Cells[i].Verdict; {
			case !beyond || v == matrix.NotPlanned:
			case v != matrix.Unavailable:
				t.Errorf("%s, %s: %s", r.Probe, c.Setting, v)
			default:
				lacking++
			}
		}
	}
	if lacking == 0 {
		t.Error("no cell lacks the reason")
	}
}
