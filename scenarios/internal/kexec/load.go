package kexec

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Flags of kexec_load: include/uapi/linux/kexec.h, v6.12.
const (
	OnCrash         = 1
	PreserveContext = 2
)

// A segment is struct kexec_segment.
type segment struct {
	buf   unsafe.Pointer
	bufsz uintptr
	mem   uintptr // physical
	memsz uintptr
}

// Load loads an image of so many segments of one page each with kexec_load, looks
// whether the kernel has one, and unloads it. The image has no code: nothing here
// ever starts it.
func Load(flags uintptr, segments int) observe.Report {
	s := slot{flags&OnCrash != 0}
	at, _, err := s.place()
	call := fmt.Sprintf("kexec_load(%#x, %d, {one page each}, %#x)", at, segments, flags)
	if err != nil {
		return noPlace(err)
	}
	if r, ok := s.empty(); !ok {
		return r
	}
	err = load(at, pages(at, segments), flags)
	return s.lookAndUnload(observe.UnavailableIf(observe.FromError(call, err), "CONFIG_KEXEC", unix.ENOSYS))
}

// pages are segments of one page each, one after the other.
func pages(at uintptr, segments int) []segment {
	page := make([]byte, os.Getpagesize())
	list := make([]segment, segments)
	for i := range list {
		list[i] = segment{unsafe.Pointer(&page[0]), uintptr(len(page)), at + uintptr(i*len(page)), uintptr(len(page))}
	}
	return list
}

// load is kexec_load(2); no segment unloads.
func load(entry uintptr, list []segment, flags uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_KEXEC_LOAD, entry, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list))), flags, 0, 0); e != 0 {
		return e
	}
	return nil
}

// errNoRange is returned by physical if there is no such range.
var errNoRange = errors.New("/proc/iomem has no such range")

// physical is the middle of the largest range of that name in /proc/iomem, at
// the beginning of a page.
func physical(name string) (uintptr, error) {
	f, err := os.Open("/proc/iomem")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var at, most uintptr
	for s := bufio.NewScanner(f); s.Scan(); {
		var from, to uintptr
		if !strings.HasSuffix(s.Text(), ": "+name) {
			continue
		}
		if _, err := fmt.Sscanf(strings.TrimSpace(s.Text()), "%x-%x", &from, &to); err == nil && to-from > most {
			at, most = (from+(to-from)/2)&^0xfff, to-from
		}
	}
	if most == 0 {
		return 0, errNoRange
	}
	return at, nil
}

// LoadOver loads the file, which must be one that the kernel trusts, and then
// another image in its place with kexec_load. Whether the second one is there
// cannot be seen.
func LoadOver(f File) observe.Report {
	fd, r := f.open()
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(fd)
	var s slot
	if r, ok := s.empty(); !ok {
		return r
	}
	if err := unix.KexecFileLoad(fd, -1, f.Cmdline, f.flags()); err != nil {
		return observe.SetupFailed(fmt.Sprintf("kexec_file_load(%s)", f.What), err)
	}
	return s.replace()
}

// ReplaceLater loads an image with kexec_load and returns the act that loads
// another one in its place.
func ReplaceLater() (func() observe.Report, observe.Report) {
	if r, ok := unloads(); !ok {
		return nil, r
	}
	var s slot
	r := s.fill()
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return s.replace, r
}

// KeepForLater loads an image with kexec_load, which would run after a crash, and
// returns the act that looks whether it is still there.
func KeepForLater() (func() observe.Report, observe.Report) {
	if r, ok := unloads(); !ok {
		return nil, r
	}
	s := slot{crash: true}
	r := s.fill()
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report {
		is, r := observe.ReadText(s.file())
		if r.Outcome != observe.Allowed {
			return observe.CannotRead(r)
		}
		return s.lookAndUnload(observe.Report{Outcome: observe.Allowed, Call: fmt.Sprintf("read(%q) = %q", s.file(), is)})
	}, r
}

// unloads reports whether the kernel has kexec_file_load, which alone can unload an image
// after a lock, so that a probe can undo what it does; see slot.unload. A flag that does
// not exist is refused before anything else happens; to unload something would take the
// image of another probe.
func unloads() (observe.Report, bool) {
	const noFlag = 1 << 20
	err := unix.KexecFileLoad(-1, -1, "", noFlag)
	r := observe.UnavailableIf(observe.FromError("kexec_file_load(-1, a flag that does not exist)", err), "CONFIG_KEXEC_FILE", unix.ENOSYS)
	return r, r.Outcome != observe.Unavailable
}

// fill loads an image of one page into the empty slot.
func (s slot) fill() observe.Report {
	if r, ok := s.empty(); !ok {
		return r
	}
	at, flags, err := s.place()
	if err != nil {
		return noPlace(err)
	}
	err = load(at, pages(at, 1), flags)
	r := observe.UnavailableIf(observe.FromError(fmt.Sprintf("kexec_load(%#x, 1, {one page}, %#x)", at, flags), err), "CONFIG_KEXEC", unix.ENOSYS)
	if r.Outcome == observe.Allowed {
		return r
	}
	return s.lookAndUnload(r)
}

// replace loads an image of one page over the one in the slot and empties it.
func (s slot) replace() observe.Report {
	at, flags, err := s.place()
	if err != nil {
		return observe.Report{Outcome: observe.Failed, Call: `read("/proc/iomem")`, Why: err.Error()}
	}
	err = load(at, pages(at, 1), flags)
	r := observe.FromError(fmt.Sprintf("kexec_load(%#x, 1, {one page}, %#x) over a loaded image", at, flags), err)
	if err := s.unload(); err != nil {
		r.Call += ", and the image cannot be unloaded: " + observe.ErrnoName(err)
	}
	return r
}

// errNoCrash is returned by place if the kernel has reserved no memory for a
// kernel that runs after a crash, although it was told to.
var errNoCrash = errors.New("CONFIG_CRASH_DUMP")

// noPlace is the report if there is no place for an image.
func noPlace(err error) observe.Report {
	return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/iomem")`, Why: err.Error()}
}

// place is the physical address for an image in the slot, and the flags of
// kexec_load.
func (s slot) place() (at, flags uintptr, err error) {
	if s.crash {
		at, err = physical("Crash kernel")
		if err == errNoRange {
			err = errNoCrash
		}
		return at, OnCrash, err
	}
	at, err = physical("System RAM")
	return at, 0, err
}
