package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// pciTestdev is a PCI device of every guest. The PCI probes need it: it has a BAR
// of each kind, does nothing, and no driver takes it. With membar it has a
// prefetchable one, too.
const pciTestdev = vm.PCI("pci-testdev,membar=64K")

// pciSerial is a serial port with hardware, at whose other end is nobody.
const pciSerial = vm.PCI("pci-serial")

// pciEdu is a device whose DMA user space can start with few registers. Its addresses
// are not limited to those below 256 MiB.
const pciEdu = vm.PCI("edu,dma_mask=0xffffffffffffffff")

// pciAHCI is a PCI device whose registers answer in forks as in boots, by memory
// and by I/O ports. The lab's kernels have no driver for it.
const pciAHCI = vm.PCI("ich9-ahci")

// probeArgs are kernel arguments of every guest. All but the last check lockdown
// while they are parsed: whether the interrupts of unused ports are shared, and the
// name of an EFI variable, which exists in machines with firmware. The last reserves
// the memory that a kernel for the time after a crash is loaded to.
var probeArgs = append(scenarios.BootArgs(), "efivar_ssdt="+scenarios.EFIVariable, "crashkernel=16M")

// debuggerLimit is how long a kernel may take for all commands in its debugger,
// before scaling. It takes less than 0.2 s.
const debuggerLimit = 10 * time.Second

// A profile is a kind of machine.
type profile struct {
	// devices are those that probes need, in the order of QEMU's arguments.
	devices func(*arch.Arch) []vm.Device
	// variables: its firmware has the lab's EFI variables.
	variables bool
	// tables: its memory has ACPI tables that are not the firmware's.
	tables bool
	// drive plays the other end of the machine's devices until ctx ends; nil:
	// they have none.
	drive func(ctx context.Context, m *vm.Machine, scale float64)
}

// profiles is the table of machine profiles.
var profiles = map[scenarios.MachineKind]profile{
	scenarios.Plain:    {devices: plainDevices},
	scenarios.Held:     {devices: onEach(pciTestdev, pciSerial, pciEdu)},
	scenarios.Debugger: {devices: onEach(vm.SerialPort{}, pciTestdev, vm.Keyboard{}), drive: serveDebugger},
	scenarios.Tables:   {tables: true, devices: onEach(pciTestdev)},
	scenarios.Firmware: {variables: true, devices: func(a *arch.Arch) []vm.Device {
		return []vm.Device{pciTestdev, vm.Firmware{Path: a.FindFirmware()}}
	}},
}

// plain is the profile that every guest has.
var plain = profiles[scenarios.Plain]

// plainDevices are those of the plain machine.
func plainDevices(a *arch.Arch) []vm.Device {
	if a.AHCI {
		return []vm.Device{pciTestdev}
	}
	return []vm.Device{pciTestdev, pciAHCI}
}

// onEach is a list of devices that is the same on each architecture.
func onEach(devices ...vm.Device) func(*arch.Arch) []vm.Device {
	return func(*arch.Arch) []vm.Device { return devices }
}

// serveDebugger gives the kernel's debugger its commands, and presses keys. A guest
// that stays in its debugger goes silent: the engine notices that.
func serveDebugger(ctx context.Context, m *vm.Machine, scale float64) {
	debugger.Serve(ctx, m.Serial(), time.Duration(float64(debuggerLimit)*scale), func(ctx context.Context, key string, keyboard bool) error {
		if keyboard {
			return m.PressSysRq(ctx, key)
		}
		return m.Break(ctx, key)
	})
}

// start runs drive, if there is one. stop ends it and waits for it.
func (p profile) start(ctx context.Context, m *vm.Machine, scale float64) (stop func()) {
	if p.drive == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.drive(ctx, m, scale)
	}()
	return func() {
		cancel()
		<-done
	}
}

// profileOn is the profile that a probe gets on the architecture: one whose
// architecture has no firmware of its own runs in the plain machine.
func profileOn(m scenarios.MachineKind, a *arch.Arch) scenarios.MachineKind {
	if m == scenarios.Firmware && len(a.Firmware) == 0 {
		return scenarios.Plain
	}
	return m
}

// machine is a kernel as QEMU starts it for a setting, in a profile.
func (k *kernel) machine(s lockdown.Setting, p profile) vm.Config {
	devices := p.devices(k.build.Arch)
	for i, d := range devices {
		if _, ok := d.(vm.Firmware); ok && k.firmware != "" {
			devices[i] = vm.Firmware{Path: k.firmware}
		}
	}
	if p.variables && k.variables != "" {
		devices = append(devices, vm.Variables{Path: k.variables, At: k.build.Arch.VariablesAt})
	}
	if p.tables {
		devices = append(devices, vm.Tables{Path: k.tables, At: scenarios.RSDPAt, Arg: scenarios.RSDPArg()})
	}
	return vm.Config{
		Arch: k.build.Arch, Kernel: k.image(), Initrd: k.initrd,
		Append: slices.Concat(s.KernelArgs(), probeArgs, strings.Fields(k.append)), Devices: devices,
		Accel: vm.Accel(k.host.Accel), Scale: k.scale(), CPUs: k.build.Kernel.CPUs, MemoryMiB: k.memoryMiB(),
	}
}

// A part is one machine of a guest and the probes that run in it.
type part struct {
	name    string // of the profile, and of the probe if it runs alone in its machine; empty: the plain machine
	profile profile
	probes  []string
	mutant  mutation

	booted  *template.Template // template that shareBoots made for this guest; nil if there is none
	workers int                // children that booted has; 0: Stage.workers decides
}

// kind is the name of the part's profile; empty: the plain machine.
func (p part) kind() string {
	kind, _, _ := strings.Cut(p.name, " ")
	return kind
}

// A mutation is what a mutant changes in a kernel of the lab series. The zero
// value changes nothing.
type mutation struct {
	command string // of the series' mutate file: "ANSWER SITE"
	atBoot  bool   // it is a kernel argument, because the site is checked before user space runs
}

// kernelArgs is the mutation on the kernel command line.
func (m mutation) kernelArgs() []string {
	if !m.atBoot {
		return nil
	}
	return []string{guestproto.ArgMutate + strings.Replace(m.command, " ", ":", 1)}
}

// later is the mutation that the guest program makes.
func (m mutation) later() string {
	if m.atBoot {
		return ""
	}
	return m.command
}

// partsOf distributes probes over machines, in the plan's order. The plain
// machine comes first: every guest has that one.
func partsOf(probes []string, a *arch.Arch) []part {
	all := []part{{profile: plain}}
	for _, id := range probes {
		row, ok := scenarios.Find(id)
		if !ok || !row.On(a.Name) {
			continue
		}
		kind := profileOn(row.Machine, a)
		name := string(kind)
		if row.Exclusive {
			name = fmt.Sprintf("%s %s", kind, id)
		}
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, part{name: name, profile: profiles[kind]})
		}
		all[i].probes = append(all[i].probes, id)
	}
	return all
}
