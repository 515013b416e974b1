package engine

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

// TestBareForReal shows that the lab's series changes no verdict: the base without
// any patch, which is judged by its log, has those of the base with the series. Only
// what the series brings with it is unavailable without it. It builds one kernel
// more, so only make nightly sets LDLAB_BARE, to the base.
func TestBareForReal(t *testing.T) {
	base := os.Getenv("LDLAB_BARE")
	if base == "" {
		t.Skip("LDLAB_BARE is not set; make nightly sets it")
	}
	bare, stock := "bare@"+base, "stock@"+base
	p := forReal(t, plan.Selection{Kernels: []string{bare, stock}, Arches: []string{"x86_64"}, Settings: []string{"integrity@boot", "confidentiality@runtime"}})
	bare, stock = p.Builds[0].Kernel.Name, p.Builds[1].Kernel.Name // a kernel on its own base goes by its name alone
	m, err := Run(t.Context(), p, Options{Out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	list, err := diff.Compare(m, m, stock, bare)
	if err != nil {
		t.Fatal(err)
	}
	if !m.AsExpected() || list[0].Same < 200 {
		t.Errorf("%v; %d verdicts are the same", m.Count(), list[0].Same)
	}
	for _, c := range list[0].Changes {
		row, _ := scenarios.Find(c.Probe)
		lab := slices.ContainsFunc(row.Needs, func(need string) bool { return strings.HasPrefix(need, "CONFIG_LDLAB_") }) || strings.Contains(c.Why, "CONFIG_LDLAB_")
		if c.Now != matrix.Unavailable || !lab {
			t.Errorf("%s: %s on %s, %s on %s (%s): %s", c.Probe, c.Before, stock, c.Now, bare, strings.Join(c.Settings, ", "), c.Why)
		}
	}
}
