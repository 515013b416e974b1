package perf

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Register is bit 8 of a register mask: IP on x86, X8 on arm64
// (arch/*/include/uapi/asm/perf_regs.h, v6.12).
const Register = 1 << 8

func RegsIntr() *unix.PerfEventAttr {
	attr := EveryOccurrence(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_REGS_INTR)
	attr.Sample_regs_intr = Register
	return attr
}

// switchContext triggers a context switch.
func switchContext() { time.Sleep(time.Millisecond) }

// RegsForLater opens an event with the kernel's registers now and samples it
// later.
func RegsForLater() (func(context.Context) observe.Report, observe.Report) {
	s, r := newSampler("context-switches, PERF_SAMPLE_REGS_INTR", RegsIntr())
	if s == nil {
		return nil, r
	}
	return func(context.Context) observe.Report {
		defer s.close()
		return s.sample("a register of the kernel", switchContext, func(p record) bool {
			const abi64 = 2 // PERF_SAMPLE_REGS_ABI_64: a register follows
			return p.kernel && len(p.words) == 2 && p.words[0] == abi64
		})
	}, r
}

func KernelIP() observe.Report {
	s, r := newSampler("context-switches, PERF_SAMPLE_IP", EveryOccurrence(unix.PERF_COUNT_SW_CONTEXT_SWITCHES, unix.PERF_SAMPLE_IP))
	if s == nil {
		return r
	}
	defer s.close()
	return s.sample("an address in the kernel", switchContext, func(p record) bool {
		return p.kernel && len(p.words) == 1 && p.words[0]>>63 == 1 // the upper half is the kernel's
	})
}

// PhysAddr samples minor faults, whose address has a physical address when the
// sample is taken. It triggers them by touching new pages.
func PhysAddr() observe.Report {
	const sample = unix.PERF_SAMPLE_ADDR | unix.PERF_SAMPLE_PHYS_ADDR
	s, r := newSampler("minor-faults, PERF_SAMPLE_ADDR|PERF_SAMPLE_PHYS_ADDR", EveryOccurrence(unix.PERF_COUNT_SW_PAGE_FAULTS_MIN, sample))
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
	return s.sample("a physical address", fault, func(p record) bool {
		return len(p.words) == 2 && p.words[0] != 0 && p.words[1] != 0
	})
}
