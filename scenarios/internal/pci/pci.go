// Package pci reads, writes and maps PCI devices through sysfs and
// /proc/bus/pci.
package pci

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Commands of /proc/bus/pci: include/uapi/linux/pci.h, v6.12.
const (
	IoctlController   = 'P'<<24 | 'C'<<16 | 'I'<<8
	IoctlMmapIsIO     = IoctlController | 1
	IoctlMmapIsMem    = IoctlController | 2
	IoctlWriteCombine = IoctlController | 3
)

const (
	devicesDir = "/sys/bus/pci/devices"

	// pci-testdev: no driver binds to it, BAR 0 is memory, BAR 1 I/O ports
	// (QEMU, docs/specs/pci-testdev.rst). No probe depends on the content: QEMU
	// does not migrate the device, so its BARs are disabled in a fork.
	testdevID = "0x1b36 0x0005"

	// PCI_INTERRUPT_LINE: a scratch register for software, without effect.
	InterruptLine = 0x3c
)

// A Device is a PCI device's place in sysfs and procfs.
type Device struct {
	dir  string // its directory in sysfs
	Proc string // its file under /proc/bus/pci
}

func (d Device) File(name string) string { return filepath.Join(d.dir, name) }

// testdev finds the pci-testdev; if there is none, the report has the reason.
func testdev() (d Device, r observe.Report) {
	entries, err := os.ReadDir(devicesDir)
	call := fmt.Sprintf("getdents(%q)", devicesDir)
	if err != nil {
		return d, observe.UnavailableIf(observe.FromError(call, err), "CONFIG_PCI", unix.ENOENT)
	}
	for _, e := range entries {
		dir := filepath.Join(devicesDir, e.Name())
		vendor, _ := os.ReadFile(filepath.Join(dir, "vendor"))
		device, _ := os.ReadFile(filepath.Join(dir, "device"))
		if strings.Join(strings.Fields(string(vendor)+" "+string(device)), " ") == testdevID {
			return Device{dir, procFile(e.Name())}, observe.Report{Outcome: observe.Allowed, Call: observe.CallText(call, nil)}
		}
	}
	return d, observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(call, nil), Why: "the machine has no pci-testdev"}
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

func OnTestdev(act func(Device) observe.Report) func(context.Context, observe.Env) observe.Report {
	return func(context.Context, observe.Env) observe.Report {
		d, r := testdev()
		if r.Outcome != observe.Allowed {
			return r
		}
		return act(d)
	}
}

func SetupOnTestdev(act func(Device) (func() observe.Report, observe.Report)) func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	return func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
		d, r := testdev()
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

func ReadByte(path string, offset int64) observe.Report {
	return observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		var b [1]byte
		_, err := unix.Pread(fd, b[:], offset)
		return observe.FromError(fmt.Sprintf("pread(%q, 1, %#x)", path, offset), err)
	})
}

// WriteBack writes back the current byte.
func WriteBack(path string, offset int64) observe.Report {
	return observe.WithFile(path, unix.O_RDWR, func(fd int) observe.Report {
		var b [1]byte
		if _, err := unix.Pread(fd, b[:], offset); err != nil {
			return observe.SetupFailed(fmt.Sprintf("pread(%q, 1, %#x)", path, offset), err)
		}
		_, err := unix.Pwrite(fd, b[:], offset)
		return observe.FromError(fmt.Sprintf("pwrite(%q, 1, %#x)", path, offset), err)
	})
}

// Map maps the first page and unmaps it without an access.
func Map(path string, offset int64) observe.Report {
	return observe.WithFile(path, unix.O_RDWR, func(fd int) observe.Report {
		m, r := mapFD(path, fd, offset)
		if m != nil {
			unix.Munmap(m)
		}
		return r
	})
}

func mapFD(path string, fd int, offset int64) ([]byte, observe.Report) {
	page := os.Getpagesize()
	m, err := unix.Mmap(fd, offset, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return m, observe.FromError(fmt.Sprintf("mmap(%q, %d, PROT_READ|PROT_WRITE, %#x)", path, page, offset), err)
}

func MapWriteCombining() observe.Report {
	pattern := filepath.Join(devicesDir, "*/resource*_wc")
	paths, _ := filepath.Glob(pattern)
	if len(paths) == 0 {
		return observe.Report{
			Outcome: observe.Unavailable, Call: fmt.Sprintf("glob(%q) = none", pattern),
			Why: "no BAR of this machine can be mapped write-combining",
		}
	}
	return Map(paths[0], 0)
}

// SetupProcMap sets a descriptor to map memory, and returns the mapping of BAR
// 0 by its physical address.
func SetupProcMap(d Device) (func() observe.Report, observe.Report) {
	addr, err := barAddress(d.File("resource"))
	if err != nil {
		return nil, observe.SetupFailed(fmt.Sprintf("read(%q)", d.File("resource")), err)
	}
	fd, r := observe.Open(d.Proc, unix.O_RDWR)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	// Denied if the lock is already active: the mapping is then denied as well,
	// and that is the denial that this probe looks for.
	if err := unix.IoctlSetInt(fd, IoctlMmapIsMem, 0); err != nil && err != unix.EPERM {
		unix.Close(fd)
		return nil, observe.SetupFailed(fmt.Sprintf("ioctl(%q, PCIIOC_MMAP_IS_MEM, 0)", d.Proc), err)
	}
	return func() observe.Report {
		defer unix.Close(fd)
		m, r := mapFD(d.Proc, fd, addr)
		if m != nil {
			unix.Munmap(m)
		}
		return r
	}, r
}

// barAddress is the physical address of BAR 0. Each line of the file has start,
// end and flags; the first is BAR 0.
func barAddress(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var start, end, flags int64
	if _, err := fmt.Sscanf(string(text), "%v %v %v", &start, &end, &flags); err != nil {
		return 0, fmt.Errorf("parse %q: %w", text, err)
	}
	return start, nil
}

// MapForLater maps BAR 0 now and reads a byte of it later.
func MapForLater(d Device) (func() observe.Report, observe.Report) {
	path := d.File("resource0")
	fd, r := observe.Open(path, unix.O_RDWR)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	m, r := mapFD(path, fd, 0)
	unix.Close(fd)
	if m == nil {
		return nil, r
	}
	return func() observe.Report {
		defer unix.Munmap(m)
		return touch(fmt.Sprintf("read a byte mapped from %q before", path), m)
	}, r
}

// touch reads a byte of a mapping. A fault is a denial and does not end the
// probe.
func touch(call string, m []byte) (r observe.Report) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			r = observe.Report{Outcome: observe.Denied, Call: call + " = SIGBUS", Errno: "SIGBUS"}
		}
	}()
	runtime.KeepAlive(m[0])
	return observe.FromError(call, nil)
}
