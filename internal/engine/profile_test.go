package engine

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// TestProfiles: every kind of machine that a probe may want is a row, and has what
// all probes need.
func TestProfiles(t *testing.T) {
	for _, row := range scenarios.Rows() {
		if _, ok := profiles[row.Machine]; !ok {
			t.Errorf("%s: no profile %q", row.ID, row.Machine)
		}
	}
	a := arch.Get("arm64")
	for kind, want := range map[scenarios.MachineKind][]vm.Device{
		scenarios.Plain:    {pciTestdev, pciAHCI}, // virt has none of its own
		scenarios.Held:     {pciTestdev, pciSerial, pciEdu},
		scenarios.Debugger: {vm.SerialPort{}, pciTestdev, vm.Keyboard{}},
		scenarios.Firmware: {pciTestdev, vm.Firmware{Path: a.FindFirmware()}},
	} {
		if got := profiles[kind].devices(a); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", kind, got, want)
		}
	}
}
