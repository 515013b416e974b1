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
// first and returns EPERM, too, but logs nothing. What is read and written is a
// page of the process itself: a page of zeros is no read.
func devmemScenario() Scenario {
	const site = "drivers/char/mem.c:open_port"
	where := Where{Site: site, Needs: []string{"CONFIG_DEVMEM"}}
	own := Where{Site: site, Needs: []string{"CONFIG_DEVMEM", "CONFIG_PROC_PAGE_MONITOR", "CONFIG_STRICT_DEVMEM=n"}}
	return Scenario{
		Name:  "devmem",
		Title: "read and write physical memory and I/O ports through /dev/mem and /dev/port",
		Probes: []Probe{
			{
				Claim: Claim{Name: "open", Call: observe.OpenCall(physmem.MemFile, unix.O_RDONLY), Reason: "dev_mem"},
				Where: where,
				Act: Act{
					Do:   func(context.Context, Env) Report { return physmem.OpenMem(unix.O_RDONLY) },
					More: func(context.Context, Env) []Variant { return observe.OpenMore(physmem.MemFile, false) },
				},
			},
			{
				Claim: Claim{Name: "open-rdwr", Call: observe.OpenCall(physmem.MemFile, unix.O_RDWR), Reason: "dev_mem"},
				Where: where,
				Act: Act{
					Do:   func(context.Context, Env) Report { return physmem.OpenMem(unix.O_RDWR) },
					More: func(context.Context, Env) []Variant { return observe.OpenMore(physmem.MemFile, true) },
				},
			},
			{
				Claim: Claim{Name: "read", Call: `pread("/dev/mem", the process's own page)`, Reason: "dev_mem"},
				Where: own,
				Act: Act{
					Do:   func(_ context.Context, e Env) Report { return physmem.ReadOwn(e) },
					More: func(_ context.Context, e Env) []Variant { return physmem.ReadMore(e) },
				},
			},
			{
				Claim: Claim{Name: "write", Call: `pwrite("/dev/mem", the process's own page)`, Reason: "dev_mem"},
				Where: own,
				Act: Act{
					Do:   func(_ context.Context, e Env) Report { return physmem.WriteOwn(e) },
					More: func(_ context.Context, e Env) []Variant { return physmem.WriteMore(e) },
				},
			},
			{
				Claim: Claim{Name: "mmap", Call: `mmap("/dev/mem", PROT_READ, the process's own page)`, Reason: "dev_mem"},
				Where: own,
				Act: Act{
					Do:   func(_ context.Context, e Env) Report { return physmem.MapOwn(e) },
					More: func(_ context.Context, e Env) []Variant { return physmem.MapMore(e) },
				},
			},
			{
				Claim: Claim{Name: "mmap-write", Call: `store to mmap("/dev/mem", PROT_READ|PROT_WRITE, the process's own page)`, Reason: "dev_mem"},
				Where: own,
				Act: Act{
					Do:   func(_ context.Context, e Env) Report { return physmem.MapWriteOwn(e) },
					More: func(_ context.Context, e Env) []Variant { return physmem.MapWriteMore(e) },
				},
			},
			{
				Claim: Claim{Name: "port-open", Call: observe.OpenCall(physmem.PortFile, unix.O_RDONLY), Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVPORT"}},
				// Ports are not read: on arm64 an address without a device may
				// raise an external abort.
				Act: Act{
					Do: func(context.Context, Env) Report { return physmem.OpenPort(unix.O_RDONLY, nil) },
					More: func(context.Context, Env) []Variant {
						return append(observe.OpenMore(physmem.PortFile, false), observe.OpenMore(physmem.PortFile, true)...)
					},
				},
			},
			{
				Claim: Claim{Name: "port-read", Call: `pread("/dev/port", 4, 0xcfc)`, Reason: "dev_mem"},
				Where: Where{Site: site, Needs: []string{"CONFIG_DEVPORT", "CONFIG_PCI_DIRECT"}, Only: []string{"x86_64"}},
				Act:   Act{Do: func(context.Context, Env) Report { return physmem.ReadPort() }},
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
