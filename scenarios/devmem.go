package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/physmem"
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
				Name: "open", Call: observe.OpenCall("/dev/mem", unix.O_RDONLY),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Report { return physmem.WithDevMem(unix.O_RDONLY, nil) },
			},
			{
				Name: "open-rdwr", Call: observe.OpenCall("/dev/mem", unix.O_RDWR),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				// Opened for writing, never written.
				Act: func(context.Context, Env) Report { return physmem.WithDevMem(unix.O_RDWR, nil) },
			},
			{
				Name: "read", Call: `pread("/dev/mem", 1 byte of System RAM)`,
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Report {
					return physmem.WithDevMem(unix.O_RDONLY, physmem.ReadByte)
				},
			},
			{
				Name: "mmap", Call: `mmap("/dev/mem", PROT_READ, one page of System RAM)`,
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVMEM"},
				Act: func(context.Context, Env) Report {
					return physmem.WithDevMem(unix.O_RDONLY, physmem.MapPage)
				},
			},
			{
				Name: "port-open", Call: observe.OpenCall("/dev/port", unix.O_RDONLY),
				Reason: "dev_mem", Site: site, Needs: []string{"CONFIG_DEVPORT"},
				// Ports are not read: on arm64 an address without a device may
				// raise an external abort.
				Act: func(context.Context, Env) Report {
					return observe.UnavailableIf(observe.WithFile("/dev/port", unix.O_RDONLY, nil), "CONFIG_DEVPORT", unix.ENOENT, unix.ENXIO)
				},
			},
			{
				Name: "zero", Call: observe.OpenCall("/dev/zero", unix.O_RDWR), Expect: Unchecked,
				// Another minor of the same driver, without the check.
				Reason: "dev_mem", Site: "drivers/char/mem.c:memory_open",
				Act: func(context.Context, Env) Report {
					return observe.WithFile("/dev/zero", unix.O_RDWR, nil)
				},
			},
		},
	}
}
