package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/physmem"
)

func init() { register("kcore", kcoreScenario) }

// The hook comes before capable(CAP_SYS_RAWIO), which says EPERM too, but
// without a line: fs/proc/kcore.c:open_kcore, v6.12. Reading does not ask.
func kcoreScenario() Scenario {
	const site = "fs/proc/kcore.c:open_kcore"
	needs := []string{"CONFIG_PROC_KCORE"}
	return Scenario{
		Name:  "kcore",
		Title: "read kernel memory through /proc/kcore",
		Probes: []Probe{
			{
				Name: "open", Call: observe.OpenCall(physmem.KcoreFile, unix.O_RDONLY),
				Reason: "kcore", Site: site, Needs: needs,
				Act: func(context.Context, Env) Report { return physmem.WithKcore(nil) },
			},
			{
				Name: "read", Call: `pread("/proc/kcore", ELF header)`,
				Reason: "kcore", Site: site, Needs: needs,
				Act: func(context.Context, Env) Report { return physmem.WithKcore(physmem.ReadKcoreHeader) },
			},
			{
				Name: "stat", Call: `stat("/proc/kcore")`, Expect: Unchecked,
				// How much there would be to read may be known.
				Reason: "kcore", Site: "fs/proc/generic.c:proc_getattr", Needs: needs,
				Act: func(context.Context, Env) Report {
					var st unix.Stat_t
					return physmem.NoKcore(observe.FromError(`stat("/proc/kcore")`, unix.Stat(physmem.KcoreFile, &st)))
				},
			},
			{
				Name: "kallsyms", Call: `read("/proc/kallsyms")`, Expect: Unchecked,
				// Addresses of kernel memory, but none of its contents.
				Reason: "kcore", Site: "kernel/kallsyms.c:kallsyms_open", Needs: []string{"CONFIG_KALLSYMS"},
				Act: func(context.Context, Env) Report {
					_, r := observe.ReadText("/proc/kallsyms")
					return observe.UnavailableIf(r, "CONFIG_KALLSYMS", unix.ENOENT)
				},
			},
			{
				Name: "iomem", Call: `read("/proc/iomem")`, Expect: Unchecked,
				Reason: "kcore", Site: "kernel/resource.c:iomem_open",
				Act: func(context.Context, Env) Report { _, r := observe.ReadText("/proc/iomem"); return r },
			},
		},
	}
}
