package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/physmem"
)

func init() { register("kcore", kcoreScenario) }

// The hook comes before capable(CAP_SYS_RAWIO), which returns EPERM, too,
// but logs nothing: fs/proc/kcore.c:open_kcore, v6.12. Reading is not checked.
func kcoreScenario() Scenario {
	const site = "fs/proc/kcore.c:open_kcore"
	needs := []string{"CONFIG_PROC_KCORE"}
	return Scenario{
		Name:  "kcore",
		Title: "read kernel memory through /proc/kcore",
		Probes: []Probe{
			{
				Claim: Claim{Name: "open", Call: observe.OpenCall(physmem.KcoreFile, unix.O_RDONLY), Reason: "kcore"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do:   func(context.Context, Env) Report { return physmem.OpenKcore() },
					More: func(context.Context, Env) []Variant { return observe.OpenFlags(physmem.KcoreFile) },
				},
			},
			{
				Claim: Claim{Name: "read", Call: `pread("/proc/kcore", the process's own page)`, Reason: "kcore"},
				Where: Where{Site: site, Needs: append(needs[:1:1], "CONFIG_PROC_PAGE_MONITOR")},
				Act: Act{
					Do:   func(context.Context, Env) Report { return physmem.ReadKcore() },
					More: func(context.Context, Env) []Variant { return physmem.ReadKcoreMore() },
				},
			},
			{
				// The size may be known.
				Claim: Claim{Name: "stat", Call: `stat("/proc/kcore")`, Expect: Unchecked, Reason: "kcore"},
				Where: Where{Site: "fs/proc/generic.c:proc_getattr", Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					var st unix.Stat_t
					return physmem.NoKcore(observe.FromError(`stat("/proc/kcore")`, unix.Stat(physmem.KcoreFile, &st)))
				}},
			},
			{
				// Addresses of kernel memory are shown, but not its contents.
				Claim: Claim{Name: "kallsyms", Call: `read("/proc/kallsyms")`, Expect: Unchecked, Reason: "kcore"},
				Where: Where{Site: "kernel/kallsyms.c:kallsyms_open", Needs: []string{"CONFIG_KALLSYMS"}},
				Act: Act{Do: func(context.Context, Env) Report {
					_, r := observe.ReadText("/proc/kallsyms")
					return observe.UnavailableIf(r, "CONFIG_KALLSYMS", unix.ENOENT)
				}},
			},
			{
				Claim: Claim{Name: "iomem", Call: `read("/proc/iomem")`, Expect: Unchecked, Reason: "kcore"},
				Where: Where{Site: "kernel/resource.c:iomem_open"},
				Act:   Act{Do: func(context.Context, Env) Report { _, r := observe.ReadText("/proc/iomem"); return r }},
			},
		},
	}
}
