// Package physmem reads memory through /dev/mem and /proc/kcore.
package physmem

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func WithDevMem(flags int, act func(fd int) observe.Report) observe.Report {
	return observe.UnavailableIf(observe.WithFile("/dev/mem", flags, act), "CONFIG_DEVMEM", unix.ENOENT, unix.ENXIO)
}

func ReadByte(fd int) observe.Report {
	addr, err := systemRAM()
	if err != nil {
		return observe.SetupFailed(`read("/proc/iomem")`, err)
	}
	var b [1]byte
	_, err = unix.Pread(fd, b[:], addr)
	return observe.FromError(fmt.Sprintf(`pread("/dev/mem", 1, %#x)`, addr), err)
}

func MapPage(fd int) observe.Report {
	addr, err := systemRAM()
	if err != nil {
		return observe.SetupFailed(`read("/proc/iomem")`, err)
	}
	page := os.Getpagesize()
	m, err := unix.Mmap(fd, addr, page, unix.PROT_READ, unix.MAP_SHARED)
	if err == nil {
		unix.Munmap(m)
	}
	return observe.FromError(fmt.Sprintf(`mmap("/dev/mem", %d, PROT_READ, %#x)`, page, addr), err)
}

// systemRAM is the physical address of the second page of the first range that
// /proc/iomem calls System RAM. On x86 devmem_is_allowed handles the first page
// differently.
func systemRAM() (int64, error) {
	f, err := os.Open("/proc/iomem")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var from, to int64
		if strings.HasSuffix(s.Text(), ": System RAM") {
			if _, err := fmt.Sscanf(s.Text(), "%x-%x", &from, &to); err != nil {
				return 0, fmt.Errorf("parse %q: %w", s.Text(), err)
			}
			return from + int64(os.Getpagesize()), nil
		}
	}
	return 0, fmt.Errorf("no System RAM in /proc/iomem")
}

// MapForLater maps a page of memory now and reads it later.
func MapForLater() (func() observe.Report, observe.Report) {
	var page []byte
	r := observe.WithFile("/dev/mem", unix.O_RDONLY, func(fd int) observe.Report {
		addr, err := systemRAM()
		if err == nil {
			page, err = unix.Mmap(fd, addr, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		}
		return observe.FromError(`mmap("/dev/mem", PROT_READ)`, err)
	})
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report {
		defer unix.Munmap(page)
		return observe.FromError(fmt.Sprintf(`load from mmap("/dev/mem") = %#x`, page[0]), nil)
	}, r
}
