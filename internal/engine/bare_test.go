package engine

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

// TestBareForReal shows that the lab's series changes no verdict: the base without
// any patch, which is judged by its log, has those of the base with the series. Only
// what the series brings with it is unavailable without it. It needs kernels that
// nothing else does, so only make nightly sets LDLAB_BARE, to the bases.
func TestBareForReal(t *testing.T) {
	bases := strings.Fields(os.Getenv("LDLAB_BARE"))
	if len(bases) == 0 {
		t.Skip("LDLAB_BARE is not set; make nightly sets it")
	}
	for _, base := range bases {
		for _, a := range arch.All() {
			t.Run(base+" "+a.Name, func(t *testing.T) { bareEqualsStock(t, base, a) })
		}
	}
}

// TestSharedBootForReal: machines that are copies of one that is locked at boot give the
// same verdict and call as machines that boot (see Stage.shareBoots).
func TestSharedBootForReal(t *testing.T) {
	bases := strings.Fields(os.Getenv("LDLAB_BARE"))
	if len(bases) == 0 {
		t.Skip("LDLAB_BARE is not set; make nightly sets it")
	}
	for _, base := range bases {
		t.Run(base, func(t *testing.T) {
			forksEqualBoots(t, forReal(t, plan.Selection{Kernels: []string{"bare@" + base}, Settings: []string{"integrity@boot"}}))
		})
	}
}

func bareEqualsStock(t *testing.T, base string, a *arch.Arch) {
	bare, stock := "bare@"+base, "stock@"+base
	p := forReal(t, plan.Selection{Kernels: []string{bare, stock}, Arches: []string{a.Name}, Settings: []string{"integrity@boot", "confidentiality@runtime"}})
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
