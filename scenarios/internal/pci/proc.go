package pci

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/identity"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Commands of /proc/bus/pci: include/uapi/linux/pci.h, v6.12.
const (
	IoctlController   = 'P'<<24 | 'C'<<16 | 'I'<<8
	IoctlMmapIsIO     = IoctlController | 1
	IoctlMmapIsMem    = IoctlController | 2
	IoctlWriteCombine = IoctlController | 3
)

// Ioctl does a command of /proc/bus/pci. The state belongs to the descriptor and
// ends with it; nothing shows it but a mapping, which is checked, too. If the
// architecture lacks the command, EINVAL comes after the check.
func Ioctl(d Device, name string, cmd uint) observe.Report {
	return ioctl(d, unix.O_RDONLY, name, cmd, 0)
}

func ioctl(d Device, mode int, name string, cmd uint, arg int) observe.Report {
	return observe.WithFile(d.Proc, mode, func(fd int) observe.Report {
		err := unix.IoctlSetInt(fd, cmd, arg)
		return observe.AllowedIf(observe.FromError(fmt.Sprintf("ioctl(%q, %s, %d)", d.Proc, name, arg), err), unix.EINVAL)
	})
}

// VaryIoctl does it through descriptors of every mode, with other arguments.
func VaryIoctl(d Device, name string, cmd uint) (list []observe.Variant) {
	for _, mode := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
		for _, arg := range []int{0, 1, -1} {
			list = append(list, ioctl(d, mode, name, cmd, arg).Vary(fmt.Sprintf("%s, %d", observe.OpenCall("/proc/bus/pci", mode), arg)))
		}
	}
	r := observe.WithFile(d.Proc, unix.O_RDWR, func(fd int) observe.Report {
		return compat.Report(fmt.Sprintf("32-bit ioctl(%q, %s, 0)", d.Proc, name), compat.Ioctl.Do(compat.FD(fd), compat.Word(uint32(cmd)), compat.Word(0)))
	})
	return append(list, r.Vary("32-bit ioctl"))
}

// ProcMapLines is how often a denied run of SetupProcMap is refused.
var ProcMapLines = 2 + len(procMappings)

// procMappings are tried after the plain mapping.
var procMappings = []mapping{mappings[0], mappings[3], mappings[5]}

// SetupProcMap sets descriptors to map memory, and maps the device's memory by
// its physical address in several ways, in the end as another user that has every
// capability. The report is that of the first one that is not denied, or of the
// plain one.
func SetupProcMap(d Device) (func() observe.Report, observe.Report) {
	addr, err := barAddress(d.File("resource"), d.mem)
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
		first := plain.of(d, d.Proc, fd, addr)
		if first.Outcome != observe.Denied {
			return first
		}
		for _, m := range procMappings {
			if r := m.of(d, d.Proc, fd, addr); r.Outcome == observe.Allowed || r.Effect == observe.Happened {
				return r
			}
		}
		if _, err := (identity.Asker{UID: 1000}).Become(); err != nil {
			return observe.SetupFailed("setresuid(1000)", err)
		}
		if r := plain.of(d, d.Proc, fd, addr); r.Outcome == observe.Allowed || r.Effect == observe.Happened {
			r.Call += " (as uid 1000)"
			return r
		}
		return first
	}, r
}

// barAddress is the physical address of a BAR. Each line of the file has start,
// end and flags; the first is BAR 0.
func barAddress(path string, bar int) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parseResource(string(text), bar)
}

func parseResource(text string, bar int) (int64, error) {
	lines := strings.Split(text, "\n")
	if bar >= len(lines) {
		return 0, fmt.Errorf("no BAR %d in %q", bar, text)
	}
	var start, end, flags int64
	if _, err := fmt.Sscanf(lines[bar], "%v %v %v", &start, &end, &flags); err != nil {
		return 0, fmt.Errorf("parse %q: %w", lines[bar], err)
	}
	return start, nil
}
