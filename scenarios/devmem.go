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
// first and returns EPERM, too, but logs nothing.
func devmemScenario() Scenario {
	const site = "drivers/char/mem.c:open_port"
	return Scenario{
		Name:  "devmem",
		Title: "read and write physical memory and I/O ports through /dev/mem and /dev/port",
		Probes: []Probe{
			{
				Claim: Claim{Name: "open", Call: observe.OpenCall("/dev/mem", unix.O_RDONLY), Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVMEM"}},
				Act:   Act{Do: func(context.Context, Env) Report { return physmem.WithDevMem(unix.O_RDONLY, nil) }},
			},
			{
				Claim: Claim{Name: "open-rdwr", Call: observe.OpenCall("/dev/mem", unix.O_RDWR), Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVMEM"}},
				// Opened for writing, never written.
				Act: Act{Do: func(context.Context, Env) Report { return physmem.WithDevMem(unix.O_RDWR, nil) }},
			},
			{
				Claim: Claim{Name: "read", Call: `pread("/dev/mem", 1 byte of System RAM)`, Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVMEM"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return physmem.WithDevMem(unix.O_RDONLY, physmem.ReadByte)
				}},
			},
			{
				Claim: Claim{Name: "mmap", Call: `mmap("/dev/mem", PROT_READ, one page of System RAM)`, Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVMEM"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return physmem.WithDevMem(unix.O_RDONLY, physmem.MapPage)
				}},
			},
			{
				Claim: Claim{Name: "port-open", Call: observe.OpenCall("/dev/port", unix.O_RDONLY), Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVPORT"}},
				// Ports are not read: on arm64 an address without a device may
				// raise an external abort.
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(observe.WithFile("/dev/port", unix.O_RDONLY, nil), "CONFIG_DEVPORT", unix.ENOENT, unix.ENXIO)
				}},
			},
			{
				// Another minor of the same driver, without the check.
				Claim: Claim{Name: "zero", Call: observe.OpenCall("/dev/zero", unix.O_RDWR), Expect: Unchecked, Reason: "dev_mem"},
				Where: Where{Site: "drivers/char/mem.c:memory_open"},
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.WithFile("/dev/zero", unix.O_RDWR, nil)
				}},
			},
		},
	}
}
