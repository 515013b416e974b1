package pci

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A mapping is a way to map a BAR.
type mapping struct {
	mode   int // of open(2)
	prot   int
	flags  int
	raised int // another protection, set with mprotect(2); 0: none
}

// plain is how the probes map.
var plain = mapping{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED, 0}

// mappings are the variants: every protection that can be read after all.
var mappings = []mapping{
	{unix.O_RDONLY, unix.PROT_READ, unix.MAP_SHARED, 0},
	{unix.O_RDWR, unix.PROT_READ, unix.MAP_SHARED, 0},
	{unix.O_RDWR, unix.PROT_WRITE, unix.MAP_SHARED, unix.PROT_READ | unix.PROT_WRITE},
	{unix.O_RDWR, unix.PROT_NONE, unix.MAP_SHARED, unix.PROT_READ | unix.PROT_WRITE},
	{unix.O_RDWR, unix.PROT_READ, unix.MAP_SHARED, unix.PROT_READ | unix.PROT_WRITE},
	{unix.O_RDONLY, unix.PROT_READ, unix.MAP_PRIVATE, 0},
	{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE, 0},
	{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE, 0},
	{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_LOCKED, 0},
}

var protNames = []struct {
	bit  int
	name string
}{{unix.PROT_READ, "PROT_READ"}, {unix.PROT_WRITE, "PROT_WRITE"}}

func protText(prot int) string {
	var names []string
	for _, p := range protNames {
		if prot&p.bit != 0 {
			names = append(names, p.name)
		}
	}
	if names == nil {
		return "PROT_NONE"
	}
	return strings.Join(names, "|")
}

// String is the mapping without its file, as strace prints it.
func (m mapping) String() string {
	text := protText(m.prot) + ", MAP_SHARED"
	if m.flags&unix.MAP_TYPE == unix.MAP_PRIVATE {
		text = protText(m.prot) + ", MAP_PRIVATE"
	}
	if m.flags&unix.MAP_POPULATE != 0 {
		text += "|MAP_POPULATE"
	}
	if m.flags&unix.MAP_LOCKED != 0 {
		text += "|MAP_LOCKED"
	}
	if m.raised != 0 {
		text += ", mprotect " + protText(m.raised)
	}
	return text
}

// of maps the first page of a BAR, reads a register of it, and unmaps it. The
// file is that of a descriptor.
func (m mapping) of(d Device, path string, fd int, offset int64) observe.Report {
	b, r := m.make(path, fd, offset)
	if b == nil {
		return r.Saw(mapped(path), "read(\"/proc/self/maps\")")
	}
	defer unix.Munmap(b)
	if m.raised != 0 {
		if err := unix.Mprotect(b, m.raised); err != nil {
			return observe.FromError(r.Call+", mprotect("+protText(m.raised)+")", err)
		}
	}
	return d.compare(r, b)
}

// make maps the first page.
func (m mapping) make(path string, fd int, offset int64) ([]byte, observe.Report) {
	page := os.Getpagesize()
	b, err := unix.Mmap(fd, offset, page, m.prot, m.flags)
	return b, observe.FromError(fmt.Sprintf("mmap(%q, %d, %s, %#x)", path, page, m, offset), err)
}

// compare reads CAP of a mapping and compares it with that of the I/O ports. A
// device that does not answer is not touched.
func (d Device) compare(r observe.Report, b []byte) observe.Report {
	if !d.answers {
		return r
	}
	want, known := d.ident()
	if !known {
		return r
	}
	got, ok := load(b)
	if !ok {
		return r.Brought(false, "load = SIGBUS")
	}
	return r.Brought(got == want, fmt.Sprintf("load = %#x, pread(%q, 4, %#x) = %#x", got, d.IO(), dataPort, want))
}

// load reads a register of a mapping. A fault does not end the probe.
func load(b []byte) (value uint32, ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[capRegister]))), true
}

// mapped reports whether the process has a mapping of the file.
func mapped(path string) bool {
	text, _ := os.ReadFile("/proc/self/maps")
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return strings.Contains(string(text), path)
}

// Map maps the device's memory.
func Map(d Device) observe.Report { return plain.file(d, d.Mem()) }

func (m mapping) file(d Device, path string) observe.Report {
	return observe.WithFile(path, m.mode, func(fd int) observe.Report { return m.of(d, path, fd, 0) })
}

// VaryMap maps the device's memory in every way.
func VaryMap(d Device) (list []observe.Variant) {
	for _, m := range mappings {
		text := observe.OpenCall("resource", m.mode) + ", " + m.String()
		list = append(list, m.file(d, d.Mem()).Vary(text))
	}
	// Those of every device, which may have a driver. They are never touched.
	paths, _ := filepath.Glob(filepath.Join(devicesDir, "*/resource[0-5]"))
	for _, p := range paths {
		list = append(list, plain.file(Device{}, p).Vary(p))
	}
	return list
}

// writeCombining is the file of a BAR that can be mapped write-combining. Those
// that no driver has come first: a kernel with IO_STRICT_DEVMEM lets nobody map
// the others (drivers/pci/pci-sysfs.c:pci_mmap_resource, v6.12).
func writeCombining() (string, observe.Report) {
	pattern := filepath.Join(devicesDir, "*/resource*_wc")
	paths, _ := filepath.Glob(pattern)
	if len(paths) == 0 {
		return "", observe.Report{
			Outcome: observe.Unavailable, Call: fmt.Sprintf("glob(%q) = none", pattern),
			Why: "no BAR of this machine can be mapped write-combining",
		}
	}
	for _, p := range paths {
		if (Device{dir: filepath.Dir(p)}).free() {
			return p, observe.Report{Outcome: observe.Allowed}
		}
	}
	return paths[0], observe.Report{Outcome: observe.Allowed}
}

// MapWriteCombining maps a prefetchable BAR. It is never touched.
func MapWriteCombining() observe.Report {
	path, r := writeCombining()
	if r.Outcome != observe.Allowed {
		return r
	}
	return plain.file(Device{}, path)
}

// VaryWriteCombining maps it in every way.
func VaryWriteCombining() (list []observe.Variant) {
	path, r := writeCombining()
	if r.Outcome != observe.Allowed {
		return nil
	}
	for _, m := range mappings {
		if m.flags&unix.MAP_POPULATE != 0 || m.flags&unix.MAP_LOCKED != 0 {
			continue
		}
		list = append(list, m.file(Device{}, path).Vary(observe.OpenCall("resource_wc", m.mode)+", "+m.String()))
	}
	return list
}

// MapForLater maps the device's memory now and reads it later.
func MapForLater(d Device) (func() observe.Report, observe.Report) {
	path := d.Mem()
	fd, r := observe.Open(path, unix.O_RDWR)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	b, r := plain.make(path, fd, 0)
	unix.Close(fd)
	if b == nil {
		return nil, r.Saw(mapped(path), "read(\"/proc/self/maps\")")
	}
	return func() observe.Report {
		defer unix.Munmap(b)
		call := fmt.Sprintf("load from a mapping of %q made before", path)
		if _, ok := load(b); !ok {
			return observe.Report{Outcome: observe.Denied, Call: call + " = SIGBUS", Errno: "SIGBUS"}
		}
		return d.compare(observe.FromError(call, nil), b)
	}, r
}
