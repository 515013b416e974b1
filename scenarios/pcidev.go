package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	pciDevices = "/sys/bus/pci/devices"

	// pci-testdev: no driver takes it, BAR 0 is memory, BAR 1 I/O ports
	// (QEMU, docs/specs/pci-testdev.rst). No probe depends on what it answers:
	// QEMU does not migrate it, so that in a fork its BARs are off.
	pciTestdev = "0x1b36 0x0005"

	// PCI_INTERRUPT_LINE: a register for software's notes, with no effect.
	pciInterruptLine = 0x3c
)

// A pciDevice is where a device is found.
type pciDevice struct {
	dir  string // its directory in sysfs
	proc string // its file under /proc/bus/pci
}

func (d pciDevice) file(name string) string { return filepath.Join(d.dir, name) }

// testdev finds the pci-testdev; where there is none, the result says why.
func testdev() (d pciDevice, r Result) {
	entries, err := os.ReadDir(pciDevices)
	act := fmt.Sprintf("getdents(%q)", pciDevices)
	if err != nil {
		return d, absent(judge(act, err), "CONFIG_PCI", unix.ENOENT)
	}
	for _, e := range entries {
		dir := filepath.Join(pciDevices, e.Name())
		vendor, _ := os.ReadFile(filepath.Join(dir, "vendor"))
		device, _ := os.ReadFile(filepath.Join(dir, "device"))
		if strings.Join(strings.Fields(string(vendor)+" "+string(device)), " ") == pciTestdev {
			return pciDevice{dir, pciProc(e.Name())}, Result{Outcome: Allowed, Call: call(act, nil)}
		}
	}
	return d, Result{Outcome: Unavailable, Call: call(act, nil), Why: "the machine has no pci-testdev"}
}

// pciProc is the file of the device domain:bus:slot.function: whether the
// domain is part of its path is the architecture's choice
// (drivers/pci/proc.c:pci_proc_attach_device, v6.12).
func pciProc(name string) string {
	bus, slot := name[:strings.LastIndex(name, ":")], name[strings.LastIndex(name, ":")+1:]
	path := filepath.Join("/proc/bus/pci", bus, slot)
	if !exists(path) {
		path = filepath.Join("/proc/bus/pci", bus[strings.LastIndex(bus, ":")+1:], slot)
	}
	return path
}

func onTestdev(act func(pciDevice) Result) func(context.Context, Env) Result {
	return func(context.Context, Env) Result {
		d, r := testdev()
		if r.Outcome != Allowed {
			return r
		}
		return act(d)
	}
}

func beforeTestdev(act func(pciDevice) (func() Result, Result)) func(context.Context, Env) (func(context.Context) Result, Result) {
	return func(context.Context, Env) (func(context.Context) Result, Result) {
		d, r := testdev()
		if r.Outcome != Allowed {
			return nil, r
		}
		rest, r := act(d)
		if rest == nil {
			return nil, r
		}
		return func(context.Context) Result { return rest() }, r
	}
}

func pciRead(path string, offset int64) Result {
	return with(path, unix.O_RDONLY, func(fd int) Result {
		var b [1]byte
		_, err := unix.Pread(fd, b[:], offset)
		return judge(fmt.Sprintf("pread(%q, 1, %#x)", path, offset), err)
	})
}

// pciRewrite writes back the byte that is there.
func pciRewrite(path string, offset int64) Result {
	return with(path, unix.O_RDWR, func(fd int) Result {
		var b [1]byte
		if _, err := unix.Pread(fd, b[:], offset); err != nil {
			return failed(fmt.Sprintf("pread(%q, 1, %#x)", path, offset), err)
		}
		_, err := unix.Pwrite(fd, b[:], offset)
		return judge(fmt.Sprintf("pwrite(%q, 1, %#x)", path, offset), err)
	})
}

// pciMap maps the first page and takes it away again, untouched.
func pciMap(path string, offset int64) Result {
	return with(path, unix.O_RDWR, func(fd int) Result {
		m, r := pciMapFD(path, fd, offset)
		if m != nil {
			unix.Munmap(m)
		}
		return r
	})
}

func pciMapFD(path string, fd int, offset int64) ([]byte, Result) {
	page := os.Getpagesize()
	m, err := unix.Mmap(fd, offset, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return m, judge(fmt.Sprintf("mmap(%q, %d, PROT_READ|PROT_WRITE, %#x)", path, page, offset), err)
}

func pciMapCombining() Result {
	pattern := filepath.Join(pciDevices, "*/resource*_wc")
	paths, _ := filepath.Glob(pattern)
	if len(paths) == 0 {
		return Result{
			Outcome: Unavailable, Call: fmt.Sprintf("glob(%q) = none", pattern),
			Why: "no BAR of this machine can be mapped write-combining",
		}
	}
	return pciMap(paths[0], 0)
}

// pciProcMap tells a descriptor that it is to map memory, and maps BAR 0 by
// its physical address.
func pciProcMap(d pciDevice) (func() Result, Result) {
	addr, err := pciBAR(d.file("resource"))
	if err != nil {
		return nil, failed(fmt.Sprintf("read(%q)", d.file("resource")), err)
	}
	fd, r := open(d.proc, unix.O_RDWR)
	if r.Outcome != Allowed {
		return nil, r
	}
	// Refused where the lock is older: the mapping is then refused as well, and
	// that is the answer looked for.
	if err := unix.IoctlSetInt(fd, pciMmapIsMem, 0); err != nil && err != unix.EPERM {
		unix.Close(fd)
		return nil, failed(fmt.Sprintf("ioctl(%q, PCIIOC_MMAP_IS_MEM, 0)", d.proc), err)
	}
	return func() Result {
		defer unix.Close(fd)
		m, r := pciMapFD(d.proc, fd, addr)
		if m != nil {
			unix.Munmap(m)
		}
		return r
	}, r
}

// pciBAR is the physical address of BAR 0: the first line of the file, start,
// end and flags.
func pciBAR(path string) (int64, error) {
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

// pciMapEarly maps BAR 0, and reads a byte of it later.
func pciMapEarly(d pciDevice) (func() Result, Result) {
	path := d.file("resource0")
	fd, r := open(path, unix.O_RDWR)
	if r.Outcome != Allowed {
		return nil, r
	}
	m, r := pciMapFD(path, fd, 0)
	unix.Close(fd)
	if m == nil {
		return nil, r
	}
	return func() Result {
		defer unix.Munmap(m)
		return touch(fmt.Sprintf("read a byte mapped from %q before", path), m)
	}, r
}

// touch reads a byte of a mapping. A fault is an answer, not the end of the
// probe.
func touch(act string, m []byte) (r Result) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			r = Result{Outcome: Denied, Call: act + " = SIGBUS", Errno: "SIGBUS"}
		}
	}()
	runtime.KeepAlive(m[0])
	return judge(act, nil)
}
