package scenarios

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func init() { register("devmem", devmemScenario) }

// /dev/mem and /dev/port share one check, made at open and for any access
// mode: drivers/char/mem.c:open_port, v6.12. capable(CAP_SYS_RAWIO) comes
// first and says EPERM too, but logs nothing.
func devmemScenario() Scenario {
	const site = "drivers/char/mem.c:open_port"
	return Scenario{
		Name:  "devmem",
		Title: "read and write physical memory and I/O ports through /dev/mem and /dev/port",
		Probes: []Probe{
			{
				Name: "open", Call: openAct("/dev/mem", unix.O_RDONLY),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Result { return devmem(unix.O_RDONLY, nil) },
			},
			{
				Name: "open-rdwr", Call: openAct("/dev/mem", unix.O_RDWR),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				// Opened for writing, never written.
				Act: func(context.Context, Env) Result { return devmem(unix.O_RDWR, nil) },
			},
			{
				Name: "read", Call: `pread("/dev/mem", 1 byte of System RAM)`,
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Result { return devmem(unix.O_RDONLY, readPhys) },
			},
			{
				Name: "mmap", Call: `mmap("/dev/mem", PROT_READ, one page of System RAM)`,
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Result { return devmem(unix.O_RDONLY, mmapPhys) },
			},
			{
				Name: "port-open", Call: openAct("/dev/port", unix.O_RDONLY),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVPORT"},
				// Ports are not read: on arm64 an address without a device may
				// raise an external abort.
				Act: func(context.Context, Env) Result {
					return absent(with("/dev/port", unix.O_RDONLY, nil), "CONFIG_DEVPORT", unix.ENOENT, unix.ENXIO)
				},
			},
			{
				Name: "zero", Call: openAct("/dev/zero", unix.O_RDWR), Expect: Unchecked,
				// Another minor of the same driver, without the check.
				Reason: "dev_mem", Site: "drivers/char/mem.c:memory_open",
				Act: func(context.Context, Env) Result { return with("/dev/zero", unix.O_RDWR, nil) },
			},
		},
	}
}

func devmem(flags int, act func(fd int) Result) Result {
	return absent(with("/dev/mem", flags, act), "CONFIG_DEVMEM", unix.ENOENT, unix.ENXIO)
}

func readPhys(fd int) Result {
	addr, err := systemRAM()
	if err != nil {
		return failed(`read("/proc/iomem")`, err)
	}
	var b [1]byte
	_, err = unix.Pread(fd, b[:], addr)
	return judge(fmt.Sprintf(`pread("/dev/mem", 1, %#x)`, addr), err)
}

func mmapPhys(fd int) Result {
	addr, err := systemRAM()
	if err != nil {
		return failed(`read("/proc/iomem")`, err)
	}
	page := os.Getpagesize()
	m, err := unix.Mmap(fd, addr, page, unix.PROT_READ, unix.MAP_SHARED)
	if err == nil {
		unix.Munmap(m)
	}
	return judge(fmt.Sprintf(`mmap("/dev/mem", %d, PROT_READ, %#x)`, page, addr), err)
}

// systemRAM is the physical address of the second page of the first range
// that /proc/iomem calls System RAM. The first page of x86 is treated apart
// by devmem_is_allowed.
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
