// Package msr reads and writes model-specific registers through
// /dev/cpu/0/msr.
package msr

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	File = "/dev/cpu/0/msr"

	// IA32_PAT: every x86_64 processor has it.
	PAT = 0x277

	// _IOWR('c', 0xA0, __u32[8]) and _IOWR('c', 0xA1, __u32[8]):
	// arch/x86/include/uapi/asm/msr.h, v6.12.
	IoctlRead  = 0xc02063a0
	ioctlWrite = 0xc02063a1
)

// Regs are the registers that the ioctls load and store, in the order eax, ecx,
// edx, ebx, esp, ebp, esi, edi (arch/x86/kernel/msr.c:msr_ioctl).
type Regs [8]uint32

// WithFile opens the file of processor 0.
func WithFile(flags int, act func(fd int) observe.Report) observe.Report {
	return withFileBy(observe.Direct, flags, act)
}

// ChangeBy changes a register with other calls.
func ChangeBy(c observe.Calls) observe.Report { return withFileBy(c, unix.O_RDWR, By(c).Change) }

func withFileBy(c observe.Calls, flags int, act func(fd int) observe.Report) observe.Report {
	return observe.UnavailableIf(c.WithFile(File, flags, act), "CONFIG_X86_MSR", unix.ENOENT, unix.ENXIO)
}

// Read reads IA32_PAT.
func Read(fd int) observe.Report {
	_, err := pread(fd, PAT)
	return observe.FromError(fmt.Sprintf("pread(%q, 8, %#x)", File, PAT), err)
}

func pread(fd int, reg uint32) (uint64, error) {
	var b [8]byte
	_, err := unix.Pread(fd, b[:], int64(reg))
	return binary.LittleEndian.Uint64(b[:]), err
}

// ReadIoctl reads IA32_PAT.
func ReadIoctl(fd int) observe.Report {
	regs := Regs{1: PAT}
	err := ioctl(fd, IoctlRead, &regs)
	return observe.FromError(fmt.Sprintf("ioctl(%q, X86_IOC_RDMSR_REGS, {ecx=%#x})", File, PAT), err)
}

func ioctl(fd int, cmd uintptr, regs *Regs) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(regs))); e != 0 {
		return e
	}
	return nil
}
