package engine

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestRequestOfSteps: a guest with steps runs these and no probe, in the machine that
// the job names.
func TestRequestOfSteps(t *testing.T) {
	steps := []scenarios.Step{{Call: "open", File: "/dev/mem"}}
	for _, tc := range []struct {
		machine scenarios.MachineKind
		arch    string
		part    string
	}{{scenarios.Plain, "x86_64", ""}, {scenarios.Firmware, "arm64", "firmware"}, {scenarios.Firmware, "x86_64", ""}} {
		g := matrix.Guest{Kernel: "stock", Arch: tc.arch, Job: "a/none", Steps: steps, Machine: tc.machine}
		probes := g.Probes([]string{"devmem/open"})
		req := request(g, probes, 1, false)
		if len(req.Steps) != 1 || !slices.Equal(req.Probes, []string{scenarios.StepsOn(tc.machine)}) {
			t.Errorf("%s: request %+v", tc.arch, req)
		}
		parts := partsOf(probes, arch.Get(tc.arch))
		if last := parts[len(parts)-1]; last.name != tc.part || !slices.Equal(last.probes, probes) {
			t.Errorf("%s: parts %+v", tc.arch, parts)
		}
	}
}
