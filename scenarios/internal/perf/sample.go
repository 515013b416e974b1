package perf

import (
	"context"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Register is bit 8 of a register mask: IP on x86, X8 on arm64
// (arch/*/include/uapi/asm/perf_regs.h, v6.12).
const Register = 1 << 8

// allRegisters are those that a 64-bit sample can have: on x86 without the
// segments DS, ES, FS and GS.
func allRegisters() uint64 {
	if runtime.GOARCH == "amd64" {
		return 0xff0fff
	}
	return 1<<33 - 1
}

// regsCall names the event of RegsIntr.
const regsCall = "page-faults, PERF_SAMPLE_IP|PERF_SAMPLE_ADDR|PERF_SAMPLE_REGS_INTR"

// regsIntr is an event of page faults with all registers of what was
// interrupted.
func regsIntr() *unix.PerfEventAttr {
	attr := EveryOccurrence(unix.PERF_COUNT_SW_PAGE_FAULTS, unix.PERF_SAMPLE_IP|unix.PERF_SAMPLE_ADDR|unix.PERF_SAMPLE_REGS_INTR)
	attr.Sample_regs_intr = allRegisters()
	return attr
}

// FaultInKernel makes the kernel write to a page that the process has not
// touched yet. The fault's registers are then the kernel's, and one of them has
// an address in the page. act gets the page's address; the page is gone later.
func FaultInKernel(act func(page uint64)) error {
	size := os.Getpagesize()
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(zero)
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer unix.Munmap(b)
	if _, err := unix.Read(zero, b); err != nil {
		return err
	}
	act(uint64(uintptr(unsafe.Pointer(&b[0]))))
	return nil
}

// InPage reports whether a value is an address in the page.
func InPage(value, page uint64) bool { return value >= page && value-page < uint64(os.Getpagesize()) }

// provokeFault faults in the kernel, and wants a sample of that fault.
func provokeFault(wanted func(p record, page uint64) bool) func() func(record) bool {
	return func() (want func(record) bool) {
		if FaultInKernel(func(page uint64) { want = func(p record) bool { return wanted(p, page) } }) != nil {
			return nil
		}
		return want
	}
}

// isKernel reports whether an address is in the kernel's half.
func isKernel(address uint64) bool { return address>>63 == 1 }

// sampleRegs samples the registers at such a fault.
func (s *sampler) sampleRegs(ctx context.Context) observe.Report {
	const abi64 = 2 // PERF_SAMPLE_REGS_ABI_64: the registers follow
	return s.sample(ctx, "the kernel's registers, one of which has an address that this process chose", provokeFault(func(p record, page uint64) bool {
		if !p.kernel || len(p.words) < 4 || !isKernel(p.words[0]) || !InPage(p.words[1], page) || p.words[2] != abi64 {
			return false
		}
		for _, value := range p.words[3:] {
			if InPage(value, page) {
				return true
			}
		}
		return false
	}))
}

// RegsIntr samples the registers of the kernel.
func RegsIntr(ctx context.Context) observe.Report {
	s, r := newSampler(regsCall, regsIntr())
	if s == nil {
		return r.Saw(false, "nothing was sampled")
	}
	defer s.close()
	return s.sampleRegs(ctx)
}

// RegsForLater opens an event with the kernel's registers now and samples it
// later.
func RegsForLater() (func(context.Context) observe.Report, observe.Report) {
	s, r := newSampler(regsCall, regsIntr())
	if s == nil {
		return nil, r.Saw(false, "nothing was sampled")
	}
	return func(ctx context.Context) observe.Report {
		defer s.close()
		return s.sampleRegs(ctx)
	}, r
}

// KernelIP samples an address in the kernel's code.
func KernelIP(ctx context.Context) observe.Report {
	_, r := kernelIP(ctx)
	return r
}

// kernelIP is the address of the instruction of the kernel at such a fault.
func kernelIP(ctx context.Context) (ip uint64, r observe.Report) {
	s, r := newSampler("page-faults, PERF_SAMPLE_IP|PERF_SAMPLE_ADDR", EveryOccurrence(unix.PERF_COUNT_SW_PAGE_FAULTS, unix.PERF_SAMPLE_IP|unix.PERF_SAMPLE_ADDR))
	if s == nil {
		return 0, r
	}
	defer s.close()
	r = s.sample(ctx, "an address in the kernel, at a fault that this process chose", provokeFault(func(p record, page uint64) bool {
		if !p.kernel || len(p.words) != 2 || !isKernel(p.words[0]) || !InPage(p.words[1], page) {
			return false
		}
		ip = p.words[0]
		return true
	}))
	return ip, r
}

// PhysAddr samples minor faults, whose address has a physical address when the
// sample is taken.
func PhysAddr(ctx context.Context) observe.Report {
	const sample = unix.PERF_SAMPLE_ADDR | unix.PERF_SAMPLE_PHYS_ADDR
	s, r := newSampler("minor-faults, PERF_SAMPLE_ADDR|PERF_SAMPLE_PHYS_ADDR", EveryOccurrence(unix.PERF_COUNT_SW_PAGE_FAULTS_MIN, sample))
	if s == nil {
		return r
	}
	defer s.close()
	return s.sample(ctx, "a physical address", provokeFault(func(p record, page uint64) bool {
		return len(p.words) == 2 && InPage(p.words[0], page) && p.words[1] != 0
	}))
}

// Breakpoint sets a hardware breakpoint on an instruction of the kernel, has the
// kernel execute it, and samples that. It is one of a processor, because arm64
// has none of a thread in the kernel
// (arch/arm64/kernel/hw_breakpoint.c:hw_breakpoint_arch_parse, v6.12).
func Breakpoint(ctx context.Context) observe.Report {
	return onFirst(func() observe.Report { return breakAt(ctx) })
}

func breakAt(ctx context.Context) observe.Report {
	ip, r := kernelIP(ctx)
	if r.Effect != observe.Happened {
		r.Outcome, r.Why = observe.Failed, "no address to break at"
		return r
	}
	attr := EveryOccurrence(0, unix.PERF_SAMPLE_IP|unix.PERF_SAMPLE_TID)
	attr.Type = unix.PERF_TYPE_BREAKPOINT
	attr.Bp_type = 4 // HW_BREAKPOINT_X: include/uapi/linux/hw_breakpoint.h, v6.12
	attr.Ext1, attr.Ext2 = ip, uint64(unsafe.Sizeof(uintptr(0)))
	s, r := newSamplerBy(openAll, "breakpoint on an instruction of the kernel, PERF_SAMPLE_IP", attr)
	if s == nil {
		return observe.UnavailableIf(r, "a hardware breakpoint", unix.ENOENT, unix.ENODEV, unix.ENOSPC, unix.EOPNOTSUPP)
	}
	defer s.close()
	return s.sample(ctx, "that the kernel executes the instruction for this thread", provokeFault(func(p record, _ uint64) bool {
		return p.kernel && len(p.words) == 2 && p.words[0] == ip && int(p.words[1]>>32) == unix.Gettid()
	}))
}
