package kexec

import (
	"bufio"
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
	file := "/sys/kernel/kexec_loaded"
	at, err := systemRAM()
	if flags&OnCrash != 0 {
		file = "/sys/kernel/kexec_crash_loaded"
		at, err = physical("Crash kernel")
	}
	call := fmt.Sprintf("kexec_load(%#x, %d, {one page each}, %#x)", at, segments, flags)
	if err != nil {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/iomem")`, Why: err.Error()}
	}
	if was, r := observe.ReadText(file); r.Outcome == observe.Allowed && was != "0" {
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: "an image is loaded already"}
	}
	page := make([]byte, os.Getpagesize())
	list := make([]segment, segments)
	for i := range list {
		list[i] = segment{unsafe.Pointer(&page[0]), uintptr(len(page)), at + uintptr(i*len(page)), uintptr(len(page))}
	}
	err = load(at, list, flags)
	r := observe.UnavailableIf(observe.FromError(call, err), "CONFIG_KEXEC", unix.ENOSYS)
	if r.Outcome == observe.Unavailable {
		return r
	}
	is, look := observe.ReadText(file)
	if look.Outcome != observe.Allowed {
		return r // without /sys/kernel/kexec_loaded, only the errno is left
	}
	r = r.Saw(is == "1", fmt.Sprintf("read(%q) = %q", file, is))
	if is == "1" {
		if err := load(0, nil, flags&OnCrash); err != nil {
			r.Look += ", and cannot be unloaded: " + observe.ErrnoName(err)
		}
	}
	return r
}

// load is kexec_load(2); no segment unloads.
func load(entry uintptr, list []segment, flags uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_KEXEC_LOAD, entry, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list))), flags, 0, 0); e != 0 {
		return e
	}
	return nil
}

// systemRAM is a page-aligned physical address in a range of memory that is large
// enough for an image.
func systemRAM() (uintptr, error) { return physical("System RAM") }

// physical is the middle of the largest range of that name in /proc/iomem.
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
		return 0, fmt.Errorf("/proc/iomem has no %s", name)
	}
	return at, nil
}
