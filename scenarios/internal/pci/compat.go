package pci

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// WriteCompat writes another value to a register of the device's configuration
// space with pciconfig_write(2), which only 32-bit programs have (drivers/pci/
// syscall.c, v6.12), looks at the register through sysfs, and puts the old value
// back the same way. The value must not matter to the device.
func WriteCompat(d Device, offset, size int) observe.Report {
	var domain, bus, slot, function uint32
	name := filepath.Base(d.dir)
	if _, err := fmt.Sscanf(name, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("parse %q", name), Why: err.Error()}
	}
	path := d.File("config")
	return observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		was := make([]byte, size)
		if _, err := unix.Pread(fd, was, int64(offset)); err != nil {
			return observe.SetupFailed(fmt.Sprintf("pread(%q, %d, %#x)", path, size, offset), err)
		}
		write := func(value []byte) error {
			return compat.PciconfigWrite.Do(compat.Word(bus), compat.Word(slot<<3|function), compat.Word(offset), compat.Word(size), compat.Buffer{Data: value})
		}
		other := append([]byte(nil), was...)
		other[0] ^= 0xff
		r := compat.Report(fmt.Sprintf("32-bit pciconfig_write(%d, %#x, %#x, %d, %x)", bus, slot<<3|function, offset, size, other), write(other))
		if r.Outcome == observe.Unavailable {
			return r
		}
		is := make([]byte, size)
		if _, err := unix.Pread(fd, is, int64(offset)); err != nil {
			return observe.SetupFailed(fmt.Sprintf("pread(%q, %d, %#x)", path, size, offset), err)
		}
		happened := string(is) != string(was)
		r = r.Saw(happened, fmt.Sprintf("pread(%q, %d, %#x) = %x, before %x", path, size, offset, is, was))
		if happened {
			if err := write(was); err != nil {
				r.Look += ", and cannot be put back: " + observe.ErrnoName(err)
			}
		}
		return r
	})
}
