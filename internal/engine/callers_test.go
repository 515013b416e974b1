package engine

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// What callers.toml says goes through a caller is a probe that can: one that runs
// on the architecture, and, of a variant, one that has variants.
func TestCallersNameProbes(t *testing.T) {
	for _, a := range arch.All() {
		known, err := kernels.KnownCallers(kernels.Built{Arch: a})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range known {
			on := false
			for _, by := range k.By {
				probe, variant, isVariant := strings.Cut(by, ": ")
				row, ok := scenarios.Find(probe)
				if !ok || isVariant && (row.More == nil || variant == "") {
					t.Errorf("%s, %s: there is no %s", k.Site, k.Name, by)
				}
				on = on || row.On(a.Name)
			}
			if len(k.By) > 0 && !on && k.Name != lockdown.CallerBoot {
				t.Errorf("%s, %s: none of its probes runs on %s: %v", k.Site, k.Name, a.Name, k.By)
			}
		}
	}
}
