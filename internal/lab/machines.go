package lab

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
