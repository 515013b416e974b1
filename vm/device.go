package vm

import (
	"slices"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// A Device is a part of a machine, as a value. Equal values give equal words in
// the same order.
//
// A device that makes QEMU read files of the host also has the methods of
// inputDevice. One that boots the kernel instead of QEMU has BootsKernel.
type Device interface {
	// Argv is QEMU's arguments for the device.
	Argv() []string
	// KernelArgs are the kernel arguments without which the device is of no use.
	KernelArgs() []string
	// Files are the ids of the character devices ("-chardev") to which Argv
	// refers. For each one QEMU inherits a socket, and the Machine has the other
	// end. An id may be used once in a machine.
	Files() []string
}

// An inputDevice makes QEMU read files of the host. Their paths become absolute,
// and their content is part of a template's identity.
type inputDevice interface {
	Inputs() []string                 // the paths
	WithInputs(paths []string) Device // the same device with other paths
}

// A bootDevice boots the kernel if BootsKernel is true, and takes its own time
// for it.
type bootDevice interface{ BootsKernel() bool }

// A PCI is a device as QEMU's -device takes it: a model and its options. One
// that QEMU does not migrate is reset in forks. It needs no kernel argument.
type PCI string

// Argv adds the device.
func (d PCI) Argv() []string { return []string{"-device", string(d)} }

// KernelArgs is empty.
func (d PCI) KernelArgs() []string { return nil }

// Files is empty.
func (d PCI) Files() []string { return nil }

// A SerialPort is a second serial port, whose other end is Machine.Serial. It is
// a PCI device because both machines' boards have one port of their own, the
// console, and a pl011 cannot be added. A machine has at most one.
type SerialPort struct{}

// Argv adds the port.
func (d SerialPort) Argv() []string { return []string{"-device", "pci-serial,chardev=" + idSerial} }

// KernelArgs is empty.
func (d SerialPort) KernelArgs() []string { return nil }

// Files is the port's character device.
func (d SerialPort) Files() []string { return []string{idSerial} }

// A Firmware is a UEFI image that boots the kernel (one of arch.Arch.Firmware).
// Without firmware QEMU starts the kernel itself.
type Firmware struct{ Path string }

// Argv makes QEMU start the image.
func (d Firmware) Argv() []string { return []string{"-bios", d.Path} }

// KernelArgs is empty.
func (d Firmware) KernelArgs() []string { return nil }

// Files is empty: QEMU opens the image by its path.
func (d Firmware) Files() []string { return nil }

// Inputs is the image.
func (d Firmware) Inputs() []string { return []string{d.Path} }

// WithInputs is firmware with another image.
func (d Firmware) WithInputs(paths []string) Device { return Firmware{paths[0]} }

// BootsKernel is true.
func (d Firmware) BootsKernel() bool { return true }

// pvpanic reports a panic as an event of QEMU. It does no harm if the kernel has
// no driver for it.
const pvpanic = PCI("pvpanic-pci")

// Ids of this package's character devices.
const (
	idMonitor = "monitor"
	idPort    = "port"
	idConsole = "console"
	idSerial  = "serial"
)

// ports is the virtio bus of the guest program's port. A PCI device needs no
// firmware tables, which differ by architecture. Port 0 is reserved for a
// console.
const ports = PCI("virtio-serial-pci,id=ports,max_ports=2")

// A guestPort is the guest program's virtio port, on the bus ports.
type guestPort struct{}

func (guestPort) Argv() []string {
	return []string{"-device", "virtserialport,bus=ports.0,nr=1,chardev=" + idPort + ",name=" + vport.Name}
}

func (guestPort) KernelArgs() []string { return nil }
func (guestPort) Files() []string      { return []string{idPort} }

// A monitor is QEMU's, for qmp.New.
type monitor struct{}

// Argv has no -mon, because QEMU 11 warns about it.
func (monitor) Argv() []string       { return []string{"-qmp", "chardev:" + idMonitor} }
func (monitor) KernelArgs() []string { return nil }
func (monitor) Files() []string      { return []string{idMonitor} }

// A boardConsole is the serial port of the board, on which the kernel logs.
type boardConsole struct{ name string } // the kernel's

func (d boardConsole) Argv() []string       { return []string{"-serial", "chardev:" + idConsole} }
func (d boardConsole) KernelArgs() []string { return []string{"console=" + d.name} }
func (d boardConsole) Files() []string      { return []string{idConsole} }

// A terminal is the board's serial port on the user's terminal, and QEMU's
// monitor behind Ctrl-A.
type terminal struct{ boardConsole }

func (d terminal) Argv() []string  { return []string{"-serial", "mon:stdio"} }
func (d terminal) Files() []string { return nil }

// A deviceList is a machine, in the order of its command line.
type deviceList []Device

// devices is the machine that the lab starts.
func (c Config) devices() deviceList {
	return c.devicesWith(monitor{}, boardConsole{c.Arch.Console})
}

// devicesWith is what every machine has, the console given, and Config.Devices.
func (c Config) devicesWith(console ...Device) deviceList {
	all := append(deviceList(console), ports, guestPort{})
	if c.Arch.PVPanic {
		all = append(all, pvpanic)
	}
	return append(all, c.Devices...)
}

// files are the ids of the machine's sockets, in the order of QEMU's
// descriptors, from firstFD on. Those of every machine come first, so that the
// devices of a Config do not change their numbers.
func (l deviceList) files() []string {
	ids := []string{idMonitor, idPort, idConsole}
	for _, d := range l {
		for _, id := range d.Files() {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// repeated is a character device that two devices want; "": none.
func (l deviceList) repeated() string {
	seen := map[string]bool{}
	for _, d := range l {
		for _, id := range d.Files() {
			if seen[id] {
				return id
			}
			seen[id] = true
		}
	}
	return ""
}

// argv is all devices' words; before each device come the character devices to
// which it refers.
func (l deviceList) argv(chardev func(id string) string) []string {
	var argv []string
	for _, d := range l {
		for _, id := range d.Files() {
			argv = append(argv, "-chardev", chardev(id))
		}
		argv = append(argv, d.Argv()...)
	}
	return argv
}

func (l deviceList) kernelArgs() []string {
	var args []string
	for _, d := range l {
		args = append(args, d.KernelArgs()...)
	}
	return args
}

// bootsKernel reports whether a device boots the kernel, which QEMU starts
// otherwise.
func (l deviceList) bootsKernel() bool { return slices.ContainsFunc(l, bootsKernel) }

func bootsKernel(d Device) bool {
	b, ok := d.(bootDevice)
	return ok && b.BootsKernel()
}

func inputsOf(d Device) []string {
	if f, ok := d.(inputDevice); ok {
		return f.Inputs()
	}
	return nil
}

// Inputs are the paths of all files of the host that the guest is made of: the
// kernel, the initrd, and those of Devices in their order.
func (c Config) Inputs() []string {
	paths := []string{c.Kernel, c.Initrd}
	for _, d := range c.Devices {
		paths = append(paths, inputsOf(d)...)
	}
	return paths
}

// WithInputs is the same machine with other paths, as many as Inputs has.
func (c Config) WithInputs(paths []string) Config {
	c.Kernel, c.Initrd, paths = paths[0], paths[1], paths[2:]
	c.Devices = slices.Clone(c.Devices)
	for i, d := range c.Devices {
		if n := len(inputsOf(d)); n > 0 {
			c.Devices[i], paths = d.(inputDevice).WithInputs(paths[:n]), paths[n:]
		}
	}
	return c
}
