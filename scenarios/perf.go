package scenarios

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// perfRegister is bit 8 of a register mask: IP on x86, X8 on arm64
// (arch/*/include/uapi/asm/perf_regs.h, v6.12).
const perfRegister = 1 << 8

func init() { register("perf", perfScenario) }

// Only registers at an interrupt are asked for, before the event is made; bad
// masks are EINVAL earlier than that. CAP_PERFMON and the paranoid level say
// EACCES.
func perfScenario() Scenario {
	const site = "kernel/events/core.c:__do_sys_perf_event_open"
	const source = "kernel/events/core.c:perf_event_open asks lockdown for PERF_SAMPLE_REGS_INTR and for nothing else, v6.12"
	needs := []string{"CONFIG_PERF_EVENTS"}
	return Scenario{
		Name:  "perf",
		Title: "sample what the kernel works with through perf_event_open",
		Probes: []Probe{
			{
				Name: "regs-intr", Call: perfAct("context-switches, PERF_SAMPLE_REGS_INTR"),
				Reason: "perf", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result {
					return perfClosed("context-switches, PERF_SAMPLE_REGS_INTR", perfRegsIntr())
				},
			},
			{
				Name: "regs-before", Call: perfAct("context-switches, PERF_SAMPLE_REGS_INTR") + " before the lock, a sample read after it",
				Reason: "perf", Site: site, Needs: needs, Expect: Gap,
				Source: "kernel/events/core.c:perf_event_open asks once, and an event goes on as long as it is open, v6.12",
				Setup:  func(context.Context, Env) (func(context.Context) Result, Result) { return perfEarly() },
			},
			{
				Name: "kernel-ip", Call: perfAct("context-switches, PERF_SAMPLE_IP") + ", a sample read",
				Reason: "perf", Site: site, Needs: needs, Expect: Gap, Source: source,
				Act: func(context.Context, Env) Result { return perfKernelIP() },
			},
			{
				Name: "phys-addr", Call: perfAct("minor-faults, PERF_SAMPLE_ADDR|PERF_SAMPLE_PHYS_ADDR") + ", a sample read",
				Reason: "perf", Site: site, Needs: needs, Expect: Gap, Source: source,
				Act: func(context.Context, Env) Result { return perfPhysAddr() },
			},
			{
				Name: "plain", Call: perfAct("context-switches"), Expect: Unchecked,
				Reason: "perf", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result {
					return perfClosed("context-switches", perfEvery(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, 0))
				},
			},
			{
				Name: "regs-user", Call: perfAct("context-switches, PERF_SAMPLE_REGS_USER"), Expect: Unchecked,
				Reason: "perf", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result {
					attr := perfEvery(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_REGS_USER)
					attr.Sample_regs_user = perfRegister
					return perfClosed("context-switches, PERF_SAMPLE_REGS_USER", attr)
				},
			},
		},
	}
}

func perfRegsIntr() *unix.PerfEventAttr {
	attr := perfEvery(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_REGS_INTR)
	attr.Sample_regs_intr = perfRegister
	return attr
}

// switchContext has the processor do something else.
func switchContext() { time.Sleep(time.Millisecond) }

// perfEarly opens the event that is asked for, and samples with it later.
func perfEarly() (func(context.Context) Result, Result) {
	s, r := newSampler("context-switches, PERF_SAMPLE_REGS_INTR", perfRegsIntr())
	if s == nil {
		return nil, r
	}
	return func(context.Context) Result {
		defer s.close()
		return s.sample("a register of the kernel", switchContext, func(p perfSample) bool {
			const abi64 = 2 // PERF_SAMPLE_REGS_ABI_64: a register follows
			return p.kernel && len(p.words) == 2 && p.words[0] == abi64
		})
	}, r
}

func perfKernelIP() Result {
	s, r := newSampler("context-switches, PERF_SAMPLE_IP", perfEvery(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_IP))
	if s == nil {
		return r
	}
	defer s.close()
	return s.sample("an address in the kernel", switchContext, func(p perfSample) bool {
		return p.kernel && len(p.words) == 1 && p.words[0]>>63 == 1 // the upper half is the kernel's
	})
}

// perfPhysAddr takes pages, for which memory has to be found: each is a minor
// fault, whose address has a physical one by the time it is sampled.
func perfPhysAddr() Result {
	const sample = unix.PERF_SAMPLE_ADDR | unix.PERF_SAMPLE_PHYS_ADDR
	s, r := newSampler("minor-faults, PERF_SAMPLE_ADDR|PERF_SAMPLE_PHYS_ADDR", perfEvery(unix.PERF_COUNT_SW_PAGE_FAULTS_MIN, sample))
	if s == nil {
		return r
	}
	defer s.close()
	fault := func() {
		page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err == nil {
			page[0] = 1
			unix.Munmap(page)
		}
	}
	return s.sample("a physical address", fault, func(p perfSample) bool {
		return len(p.words) == 2 && p.words[0] != 0 && p.words[1] != 0
	})
}
