package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

const kcoreFile = "/proc/kcore"

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
				Name: "open", Call: openAct(kcoreFile, unix.O_RDONLY),
				Reason: "kcore", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return kcore(nil) },
			},
			{
				Name: "read", Call: `pread("/proc/kcore", ELF header)`,
				Reason: "kcore", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return kcore(kcoreHeader) },
			},
			{
				Name: "stat", Call: `stat("/proc/kcore")`, Expect: Unchecked,
				// How much there would be to read may be known.
				Reason: "kcore", Site: "fs/proc/generic.c:proc_getattr", Needs: needs,
				Act: func(context.Context, Env) Result {
					var st unix.Stat_t
					return noKcore(judge(`stat("/proc/kcore")`, unix.Stat(kcoreFile, &st)))
				},
			},
			{
				Name: "kallsyms", Call: `read("/proc/kallsyms")`, Expect: Unchecked,
				// Addresses of kernel memory, but none of its contents.
				Reason: "kcore", Site: "kernel/kallsyms.c:kallsyms_open", Needs: []string{"CONFIG_KALLSYMS"},
				Act: func(context.Context, Env) Result {
					_, r := readText("/proc/kallsyms")
					return absent(r, "CONFIG_KALLSYMS", unix.ENOENT)
				},
			},
			{
				Name: "iomem", Call: `read("/proc/iomem")`, Expect: Unchecked,
				Reason: "kcore", Site: "kernel/resource.c:iomem_open",
				Act: func(context.Context, Env) Result { _, r := readText("/proc/iomem"); return r },
			},
		},
	}
}

func kcore(act func(fd int) Result) Result { return noKcore(with(kcoreFile, unix.O_RDONLY, act)) }

func noKcore(r Result) Result { return absent(r, "CONFIG_PROC_KCORE", unix.ENOENT) }

func kcoreHeader(fd int) Result {
	var b [4]byte
	_, err := unix.Pread(fd, b[:], 0)
	act := fmt.Sprintf("pread(%q, %q, 4, 0)", kcoreFile, b[:])
	if err == nil && string(b[:]) != "\x7fELF" {
		return Result{Outcome: Failed, Call: call(act, nil), Why: "that is no ELF header"}
	}
	return judge(act, err)
}
