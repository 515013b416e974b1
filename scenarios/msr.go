package scenarios

import (
	"context"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	msrFile = "/dev/cpu/0/msr"
	// IA32_PAT: every x86_64 processor has it, and writing back what it holds
	// changes nothing.
	msrPAT = 0x277

	// _IOWR('c', 0xA0, __u32[8]) and _IOWR('c', 0xA1, __u32[8]):
	// arch/x86/include/uapi/asm/msr.h, v6.12.
	ioctlRDMSR = 0xc02063a0
	ioctlWRMSR = 0xc02063a1
)

func init() { register("msr", msrScenario) }

// Opening and reading stay allowed under every level; each write asks. The
// filter msr.allow_writes=off says EPERM too, but after lockdown and without
// its line.
func msrScenario() Scenario {
	needs, only := []string{"CONFIG_X86_MSR"}, []string{"x86_64"}
	return Scenario{
		Name:  "msr",
		Title: "write model-specific registers through /dev/cpu/*/msr",
		Probes: []Probe{
			{
				Name: "write", Call: `pwrite("/dev/cpu/0/msr", IA32_PAT as it is)`,
				Reason: "msr", Site: "arch/x86/kernel/msr.c:msr_write", Needs: needs, Only: only,
				Act: func(context.Context, Env) Result { return msr(unix.O_RDWR, msrRewrite) },
			},
			{
				Name: "wrmsr-ioctl", Call: `ioctl("/dev/cpu/0/msr", X86_IOC_WRMSR_REGS, IA32_PAT as it is)`,
				Reason: "msr", Site: "arch/x86/kernel/msr.c:msr_ioctl", Needs: needs, Only: only,
				Act: func(context.Context, Env) Result { return msr(unix.O_RDWR, msrRewriteIoctl) },
			},
			{
				Name: "open-rdwr", Call: openAct(msrFile, unix.O_RDWR), Expect: Unchecked,
				Reason: "msr", Site: "arch/x86/kernel/msr.c:msr_open", Needs: needs, Only: only,
				Act: func(context.Context, Env) Result { return msr(unix.O_RDWR, nil) },
			},
			{
				Name: "read", Call: `pread("/dev/cpu/0/msr", IA32_PAT)`, Expect: Unchecked,
				Reason: "msr", Site: "arch/x86/kernel/msr.c:msr_read", Needs: needs, Only: only,
				Act: func(context.Context, Env) Result {
					return msr(unix.O_RDONLY, func(fd int) Result { _, r := msrRead(fd); return r })
				},
			},
			{
				Name: "rdmsr-ioctl", Call: `ioctl("/dev/cpu/0/msr", X86_IOC_RDMSR_REGS, IA32_PAT)`, Expect: Unchecked,
				Reason: "msr", Site: "arch/x86/kernel/msr.c:msr_ioctl", Needs: needs, Only: only,
				Act: func(context.Context, Env) Result {
					return msr(unix.O_RDONLY, func(fd int) Result { _, r := msrIoctl(fd, "RDMSR", ioctlRDMSR, msrRegs{1: msrPAT}); return r })
				},
			},
		},
	}
}

// msrRegs are the registers that the ioctls load and store, in the order
// eax, ecx, edx, ebx, esp, ebp, esi, edi (arch/x86/kernel/msr.c:msr_ioctl).
type msrRegs [8]uint32

func msr(flags int, act func(fd int) Result) Result {
	return absent(with(msrFile, flags, act), "CONFIG_X86_MSR", unix.ENOENT, unix.ENXIO)
}

func msrRead(fd int) ([8]byte, Result) {
	var b [8]byte
	_, err := unix.Pread(fd, b[:], msrPAT)
	return b, judge(fmt.Sprintf("pread(%q, 8, %#x)", msrFile, msrPAT), err)
}

func msrRewrite(fd int) Result {
	b, r := msrRead(fd)
	if r.Outcome != Allowed {
		return Result{Outcome: Failed, Errno: r.Errno, Call: r.Call, Why: "the value to write back cannot be read"}
	}
	_, err := unix.Pwrite(fd, b[:], msrPAT)
	return judge(fmt.Sprintf("pwrite(%q, 8, %#x)", msrFile, msrPAT), err)
}

func msrRewriteIoctl(fd int) Result {
	regs, r := msrIoctl(fd, "RDMSR", ioctlRDMSR, msrRegs{1: msrPAT})
	if r.Outcome != Allowed {
		return Result{Outcome: Failed, Errno: r.Errno, Call: r.Call, Why: "the value to write back cannot be read"}
	}
	regs[1] = msrPAT
	_, r = msrIoctl(fd, "WRMSR", ioctlWRMSR, regs)
	return r
}

func msrIoctl(fd int, name string, cmd uintptr, regs msrRegs) (msrRegs, Result) {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(&regs)))
	var err error
	if e != 0 {
		err = e
	}
	return regs, judge(fmt.Sprintf("ioctl(%q, X86_IOC_%s_REGS, {ecx=%#x})", msrFile, name, msrPAT), err)
}
