package lab

import (
	"context"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// What every guest has for the sake of probes, besides what its setting asks for.
var (
	// probeDevices are PCI devices: pci-testdev has a BAR of each kind, does
	// nothing, and no driver takes it.
	probeDevices = []string{"pci-testdev"}

	// probeArgs are kernel arguments that ask lockdown while they are parsed.
	// Neither does anything else: the interrupts of unused ports are shared,
	// and there is no EFI variable of that name.
	probeArgs = []string{"8250.share_irqs=1", "efivar_ssdt=ldlab"}
)

// debuggerLimit is for a kernel to answer everything that it is asked in its
// debugger. One that does takes less than 0.2 s.
const debuggerLimit = 10 * time.Second

// A variant is how a kind of machine differs from the plain one.
type variant struct {
	// config changes what QEMU is started with; nil: nothing.
	config func(b *bootable, c *vm.Config)
	// serve plays the world around the machine until ctx ends; nil: nobody is there.
	serve func(ctx context.Context, m *vm.Machine)
}

var variants = map[scenarios.MachineKind]variant{
	scenarios.Plain: {},
	scenarios.Debugger: {
		config: func(_ *bootable, c *vm.Config) { c.Serial = true },
		serve: func(ctx context.Context, m *vm.Machine) {
			// A guest that does not come back out of its debugger is one that
			// says nothing more: that is found elsewhere.
			debugger.Serve(ctx, m.Serial(), debuggerLimit)
		},
	},
	scenarios.Firmware: {
		config: func(b *bootable, c *vm.Config) { c.Firmware = b.build.Arch.FindFirmware() },
	},
}

func (v variant) apply(b *bootable, c *vm.Config) {
	if v.config != nil {
		v.config(b, c)
	}
}

// attend starts serve. stop ends it and waits for it.
func (v variant) attend(ctx context.Context, m *vm.Machine) (stop func()) {
	if v.serve == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.serve(ctx, m)
	}()
	return func() {
		cancel()
		<-done
	}
}

// on is the machine that a probe gets on the architecture: one that needs no
// firmware for what it is asked for is the plain one.
func on(m scenarios.MachineKind, a *arch.Arch) scenarios.MachineKind {
	if m == scenarios.Firmware && len(a.Firmware) == 0 {
		return scenarios.Plain
	}
	return m
}
