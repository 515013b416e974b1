// Package msr reads and writes model-specific registers through
// /dev/cpu/0/msr.
package msr

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	File = "/dev/cpu/0/msr"
	// IA32_PAT: every x86_64 processor has it, and writing back its value
	// changes nothing.
	PAT = 0x277

	// _IOWR('c', 0xA0, __u32[8]) and _IOWR('c', 0xA1, __u32[8]):
	// arch/x86/include/uapi/asm/msr.h, v6.12.
	IoctlRead  = 0xc02063a0
	ioctlWrite = 0xc02063a1
)

// Regs are the registers that the ioctls load and store, in the order eax, ecx,
// edx, ebx, esp, ebp, esi, edi (arch/x86/kernel/msr.c:msr_ioctl).
type Regs [8]uint32

func WithFile(flags int, act func(fd int) observe.Report) observe.Report {
	return observe.UnavailableIf(observe.WithFile(File, flags, act), "CONFIG_X86_MSR", unix.ENOENT, unix.ENXIO)
}

func Read(fd int) ([8]byte, observe.Report) {
	var b [8]byte
	_, err := unix.Pread(fd, b[:], PAT)
	return b, observe.FromError(fmt.Sprintf("pread(%q, 8, %#x)", File, PAT), err)
}

func WriteBack(fd int) observe.Report {
	b, r := Read(fd)
	if r.Outcome != observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Errno: r.Errno, Call: r.Call, Why: "the value to write back cannot be read"}
	}
	_, err := unix.Pwrite(fd, b[:], PAT)
	return observe.FromError(fmt.Sprintf("pwrite(%q, 8, %#x)", File, PAT), err)
}

func WriteBackIoctl(fd int) observe.Report {
	regs, r := Ioctl(fd, "RDMSR", IoctlRead, Regs{1: PAT})
	if r.Outcome != observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Errno: r.Errno, Call: r.Call, Why: "the value to write back cannot be read"}
	}
	regs[1] = PAT
	_, r = Ioctl(fd, "WRMSR", ioctlWrite, regs)
	return r
}

func Ioctl(fd int, name string, cmd uintptr, regs Regs) (Regs, observe.Report) {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(&regs)))
	var err error
	if e != 0 {
		err = e
	}
	return regs, observe.FromError(fmt.Sprintf("ioctl(%q, X86_IOC_%s_REGS, {ecx=%#x})", File, name, PAT), err)
}
