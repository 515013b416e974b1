package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/perf"
)

func init() { register("perf", perfScenario) }

// Only registers at an interrupt are checked, before the event is made. Bad
// register masks fail with EINVAL before that. CAP_PERFMON and the paranoid level fail
// with EACCES.
func perfScenario() Scenario {
	const site = "kernel/events/core.c:__do_sys_perf_event_open"
	const source = "kernel/events/core.c:perf_event_open checks lockdown for PERF_SAMPLE_REGS_INTR and for nothing else, v6.12"
	needs := []string{"CONFIG_PERF_EVENTS"}
	return Scenario{
		Name:  "perf",
		Title: "sample what the kernel works with through perf_event_open",
		Probes: []Probe{
			{
				Claim: Claim{Name: "regs-intr", Call: perf.OpenCall("page-faults, PERF_SAMPLE_REGS_INTR") + ", a sample read", Reason: "perf"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do:   func(ctx context.Context, _ Env) Report { return perf.RegsIntr(ctx) },
					More: func(context.Context, Env) []Variant { return perf.RegsIntrMore() },
				},
			},
			{
				Claim: Claim{
					Name:   "regs-before",
					Call:   perf.OpenCall("page-faults, PERF_SAMPLE_REGS_INTR") + " before the lock, a sample read after it",
					Reason: "perf",
					Expect: Gap,
					Class:  ByDesign,
					Source: "kernel/events/core.c:perf_event_open checks once, and an event goes on as long as it is open, v6.12",
				},
				Where: Where{Site: site, Needs: needs},
				Act: Act{Setup: func(context.Context, Env) (func(context.Context) Report, Report) {
					return perf.RegsForLater()
				}},
			},
			{
				Claim: Claim{Name: "kernel-ip", Call: perf.OpenCall("page-faults, PERF_SAMPLE_IP") + ", a sample read", Reason: "perf", Expect: Gap, Class: ByDesign, Source: source},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(ctx context.Context, _ Env) Report { return perf.KernelIP(ctx) }},
			},
			{
				Claim: Claim{
					Name:   "phys-addr",
					Call:   perf.OpenCall("minor-faults, PERF_SAMPLE_ADDR|PERF_SAMPLE_PHYS_ADDR") + ", a sample read",
					Reason: "perf",
					Expect: Gap,
					Class:  Disputed,
					Source: source,
				},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(ctx context.Context, _ Env) Report { return perf.PhysAddr(ctx) }},
			},
			{
				Claim: Claim{
					Name:   "breakpoint",
					Call:   perf.OpenAllCall("breakpoint on an instruction of the kernel, PERF_SAMPLE_IP") + ", a sample read",
					Reason: "perf",
					Expect: Gap,
					Class:  Bug,
					Source: "kernel/events/hw_breakpoint.c:hw_breakpoint_parse, v6.12, checks CAP_SYS_ADMIN and not lockdown: when the kernel executes an instruction or touches a variable, which kprobes tells as well",
				},
				Where: Where{Site: site, Needs: []string{"CONFIG_PERF_EVENTS", "CONFIG_HAVE_HW_BREAKPOINT"}},
				Act:   Act{Do: func(ctx context.Context, _ Env) Report { return perf.Breakpoint(ctx) }},
			},
			{
				Claim: Claim{Name: "plain", Call: perf.OpenCall("context-switches"), Expect: Unchecked, Reason: "perf"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					return perf.OpenAndClose("context-switches", perf.EveryOccurrence(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, 0))
				}},
			},
			{
				Claim: Claim{Name: "regs-user", Call: perf.OpenCall("context-switches, PERF_SAMPLE_REGS_USER"), Expect: Unchecked, Reason: "perf"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					attr := perf.EveryOccurrence(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_REGS_USER)
					attr.Sample_regs_user = perf.Register
					return perf.OpenAndClose("context-switches, PERF_SAMPLE_REGS_USER", attr)
				}},
			},
		},
	}
}
