// Package pci reads, writes and maps PCI devices through sysfs and
// /proc/bus/pci.
package pci

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	devicesDir = "/sys/bus/pci/devices"

	// pci-testdev: no driver binds to it, BAR 0 is memory, BAR 1 I/O ports, BAR
	// 2 prefetchable memory (QEMU, docs/specs/pci-testdev.rst). Its
	// configuration space is its own, but QEMU does not migrate it, so its BARs
	// are disabled in a fork.
	testdevID = "0x1b36 0x0005"

	// ich9-ahci: BAR 5 is memory, and BAR 4 has two I/O ports, index and data,
	// that reach the same registers (Serial ATA AHCI 1.3.1, section 10.14).
	// QEMU migrates it. No disk is attached to it.
	ahciID = "0x8086 0x2922"
)

// A Device is a PCI device's place in sysfs and procfs.
type Device struct {
	dir  string // its directory in sysfs
	Proc string // its file under /proc/bus/pci

	mem, io int  // its BARs of memory and of I/O ports
	answers bool // they answer as those of an AHCI do
}

func (d Device) File(name string) string { return filepath.Join(d.dir, name) }

// Mem is the file of the device's memory.
func (d Device) Mem() string { return d.File(fmt.Sprintf("resource%d", d.mem)) }

// IO is the file of the device's I/O ports.
func (d Device) IO() string { return d.File(fmt.Sprintf("resource%d", d.io)) }

// devices lists every device of the machine.
func devices() (list []Device, r observe.Report) {
	call := fmt.Sprintf("getdents(%q)", devicesDir)
	entries, err := os.ReadDir(devicesDir)
	if err != nil {
		return nil, observe.UnavailableIf(observe.FromError(call, err), "CONFIG_PCI", unix.ENOENT)
	}
	for _, e := range entries {
		list = append(list, Device{dir: filepath.Join(devicesDir, e.Name()), Proc: procFile(e.Name())})
	}
	return list, observe.Report{Outcome: observe.Allowed, Call: observe.CallText(call, nil)}
}

// find finds a device by vendor and device.
func find(list []Device, id string) (Device, bool) {
	for _, d := range list {
		vendor, _ := os.ReadFile(d.File("vendor"))
		device, _ := os.ReadFile(d.File("device"))
		if strings.Join(strings.Fields(string(vendor)+" "+string(device)), " ") == id {
			return d, true
		}
	}
	return Device{}, false
}

// free reports whether no driver has the device.
func (d Device) free() bool { return !observe.Exists(d.File("driver")) }

// testdev finds the pci-testdev; if there is none, the report has the reason.
func testdev() (Device, observe.Report) {
	list, r := devices()
	if r.Outcome != observe.Allowed {
		return Device{}, r
	}
	d, ok := find(list, testdevID)
	if !ok {
		return d, observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: "the machine has no pci-testdev"}
	}
	d.mem, d.io = 0, 1
	return d, r
}

// withBARs finds the AHCI if no driver has it, otherwise the pci-testdev, whose
// BARs may be mapped and written but show nothing.
func withBARs() (Device, observe.Report) {
	list, r := devices()
	if r.Outcome != observe.Allowed {
		return Device{}, r
	}
	if d, ok := find(list, ahciID); ok && d.free() {
		d.mem, d.io = 5, 4
		d.decode()
		_, d.answers = d.ident()
		return d, r
	}
	return testdev()
}

// decode makes the device answer at its BARs. Without firmware nobody has done
// so before a driver does. The file enable is not checked by lockdown.
func (d Device) decode() {
	const ioAndMemory = 3 // PCI_COMMAND_IO, PCI_COMMAND_MEMORY
	var command [1]byte
	if readAt(d.File("config"), command[:], commandRegister) != nil || command[0]&ioAndMemory == ioAndMemory {
		return
	}
	// The second one gives up the count that the first one takes; the bits stay.
	observe.WriteText(d.File("enable"), "1")
	observe.WriteText(d.File("enable"), "0")
}

// procFile is the file of the device domain:bus:slot.function. Whether the path
// has the domain depends on the architecture
// (drivers/pci/proc.c:pci_proc_attach_device, v6.12).
func procFile(name string) string {
	bus, slot := name[:strings.LastIndex(name, ":")], name[strings.LastIndex(name, ":")+1:]
	path := filepath.Join("/proc/bus/pci", bus, slot)
	if !observe.Exists(path) {
		path = filepath.Join("/proc/bus/pci", bus[strings.LastIndex(bus, ":")+1:], slot)
	}
	return path
}

// A finder finds the device of an act; without one the report has the reason.
type finder func() (Device, observe.Report)

// OnTestdev does an act on the pci-testdev, whose configuration nobody uses.
func OnTestdev(act func(Device) observe.Report) func(context.Context, observe.Env) observe.Report {
	return on(testdev, act)
}

// OnBARs does an act on the device whose BARs answer.
func OnBARs(act func(Device) observe.Report) func(context.Context, observe.Env) observe.Report {
	return on(withBARs, act)
}

func on(find finder, act func(Device) observe.Report) func(context.Context, observe.Env) observe.Report {
	return func(context.Context, observe.Env) observe.Report {
		d, r := find()
		if r.Outcome != observe.Allowed {
			return r
		}
		return act(d)
	}
}

// MoreOnTestdev does variants of an act on the pci-testdev.
func MoreOnTestdev(more func(Device) []observe.Variant) func(context.Context, observe.Env) []observe.Variant {
	return moreOn(testdev, more)
}

// MoreOnBARs does variants of an act on the device whose BARs answer.
func MoreOnBARs(more func(Device) []observe.Variant) func(context.Context, observe.Env) []observe.Variant {
	return moreOn(withBARs, more)
}

func moreOn(find finder, more func(Device) []observe.Variant) func(context.Context, observe.Env) []observe.Variant {
	return func(context.Context, observe.Env) []observe.Variant {
		d, r := find()
		if r.Outcome != observe.Allowed {
			return nil // as the act
		}
		return more(d)
	}
}

// SetupOnBARs prepares an act on the device whose BARs answer.
func SetupOnBARs(act func(Device) (func() observe.Report, observe.Report)) func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	return func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
		d, r := withBARs()
		if r.Outcome != observe.Allowed {
			return nil, r
		}
		rest, r := act(d)
		if rest == nil {
			return nil, r
		}
		return func(context.Context) observe.Report { return rest() }, r
	}
}

// readAt reads a part of a file through a descriptor of its own.
func readAt(path string, b []byte, offset int64) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, err := unix.Pread(fd, b, offset)
	if err == nil && n != len(b) {
		return unix.ENODATA
	}
	return err
}
