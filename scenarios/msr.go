package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/msr"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("msr", msrScenario) }

// Opening and reading stay allowed under every level; each write is checked.
// The filter msr.allow_writes=off returns EPERM too, but after lockdown's check
// and without its line.
func msrScenario() Scenario {
	needs, only := []string{"CONFIG_X86_MSR"}, []string{"x86_64"}
	return Scenario{
		Name:  "msr",
		Title: "write model-specific registers through /dev/cpu/*/msr",
		Probes: []Probe{
			{
				Claim: Claim{Name: "write", Call: `pwrite("/dev/cpu/0/msr", IA32_TSC_AUX)`, Reason: "msr"},
				Where: Where{Site: "arch/x86/kernel/msr.c:msr_write", Needs: needs, Only: only},
				Act: Act{
					Do: func(context.Context, Env) Report { return msr.WithFile(unix.O_RDWR, msr.Pwrite.Change) },
					More: func(context.Context, Env) []Variant {
						return msr.Ways(msr.Pwrite, msr.Pwrite16, msr.Write, msr.Pwritev, msr.Writev, msr.WriteCompat)
					},
				},
			},
			{
				Claim: Claim{Name: "wrmsr-ioctl", Call: `ioctl("/dev/cpu/0/msr", X86_IOC_WRMSR_REGS, IA32_TSC_AUX)`, Reason: "msr"},
				Where: Where{Site: "arch/x86/kernel/msr.c:msr_ioctl", Needs: needs, Only: only},
				Act: Act{
					Do:   func(context.Context, Env) Report { return msr.WithFile(unix.O_RDWR, msr.Ioctl.Change) },
					More: func(context.Context, Env) []Variant { return msr.Ways(msr.Ioctl, msr.IoctlCompat) },
				},
			},
			{
				Claim: Claim{Name: "open-rdwr", Call: observe.OpenCall(msr.File, unix.O_RDWR), Expect: Unchecked, Reason: "msr"},
				Where: Where{Site: "arch/x86/kernel/msr.c:msr_open", Needs: needs, Only: only},
				Act:   Act{Do: func(context.Context, Env) Report { return msr.WithFile(unix.O_RDWR, nil) }},
			},
			{
				Claim: Claim{Name: "read", Call: `pread("/dev/cpu/0/msr", IA32_PAT)`, Expect: Unchecked, Reason: "msr"},
				Where: Where{Site: "arch/x86/kernel/msr.c:msr_read", Needs: needs, Only: only},
				Act:   Act{Do: func(context.Context, Env) Report { return msr.WithFile(unix.O_RDONLY, msr.Read) }},
			},
			{
				Claim: Claim{Name: "rdmsr-ioctl", Call: `ioctl("/dev/cpu/0/msr", X86_IOC_RDMSR_REGS, IA32_PAT)`, Expect: Unchecked, Reason: "msr"},
				Where: Where{Site: "arch/x86/kernel/msr.c:msr_ioctl", Needs: needs, Only: only},
				Act:   Act{Do: func(context.Context, Env) Report { return msr.WithFile(unix.O_RDONLY, msr.ReadIoctl) }},
			},
		},
	}
}
