package engine

import (
	"errors"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// TestCoverageNeedsTheLabSeries: a kernel without it is refused before anything
// is built, because neither a cache nor a tool is there.
func TestCoverageNeedsTheLabSeries(t *testing.T) {
	p := mustPlan(t, plan.Selection{Arches: []string{"x86_64"}})
	if err := checkCounting(p); err != nil {
		t.Error(err)
	}
	p.Builds[0].Kernel = kernels.Kernel{Name: "plain", Series: []string{"bitmap"}}
	_, _, err := Coverage(t.Context(), p, Options{Out: t.TempDir(), Cache: "/dev/null/none"})
	var usage *plan.UsageError
	if !errors.As(err, &usage) {
		t.Errorf("%v, want a usage error", err)
	}
}
