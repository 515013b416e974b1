package vm

import "github.com/ldlab/ldlab/internal/guestproto/vport"

// A Device is a part of a machine, as a value: QEMU's arguments for it, and the
// kernel arguments without which it is of no use. Equal values give equal words
// in the same order. A device that needs a descriptor names it in its arguments;
// Machine.exec owns all descriptors.
type Device interface {
	Argv() []string
	KernelArgs() []string
}

// A PCI is a device as QEMU's -device takes it: a model and its options. One
// that QEMU does not migrate is reset in forks. It needs no kernel argument.
type PCI string

// Argv adds the device.
func (d PCI) Argv() []string { return []string{"-device", string(d)} }

// KernelArgs is empty.
func (d PCI) KernelArgs() []string { return nil }

// pvpanic reports a panic as an event of QEMU. It does no harm if the kernel has
// no driver for it.
const pvpanic = PCI("pvpanic-pci")

// A guestPort is the guest program's virtio port. A PCI device needs no firmware
// tables, which differ by architecture. Port 0 is reserved for a console.
type guestPort struct{ chardev string }

func (d guestPort) Argv() []string {
	return []string{
		"-device", "virtio-serial-pci,id=ports,max_ports=2",
		"-chardev", withID(d.chardev, "port"),
		"-device", "virtserialport,bus=ports.0,nr=1,chardev=port,name=" + vport.Name,
	}
}

func (d guestPort) KernelArgs() []string { return nil }

// A serialPort is the second serial port. It is a PCI device because both
// machines' boards have one port of their own, the console, and a pl011 cannot be
// added.
type serialPort struct{ chardev string }

func (d serialPort) Argv() []string {
	return []string{
		"-chardev", withID(d.chardev, "serial"),
		"-device", "pci-serial,chardev=serial",
	}
}

func (d serialPort) KernelArgs() []string { return nil }

// A firmware is the path of a UEFI image that boots the kernel.
type firmware string

func (d firmware) Argv() []string { return []string{"-bios", string(d)} }

func (d firmware) KernelArgs() []string { return nil }

// A boardConsole is the serial port of the board, on which the kernel logs.
type boardConsole struct {
	argv []string
	name string // the kernel's
}

func (d boardConsole) Argv() []string { return d.argv }

func (d boardConsole) KernelArgs() []string { return []string{"console=" + d.name} }

// devices is the machine as a list, in the order of its command line.
func (c Config) devices(consoles []string, port, serial string) []Device {
	all := []Device{boardConsole{consoles, c.Arch.Console}, guestPort{port}}
	if c.Arch.PVPanic {
		all = append(all, pvpanic)
	}
	if c.Serial {
		all = append(all, serialPort{serial})
	}
	all = append(all, c.Devices...)
	if c.Firmware != "" {
		all = append(all, firmware(c.Firmware))
	}
	return all
}
