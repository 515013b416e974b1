package kdb

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Write sets TIF_NOTSC in the flags of a task, bit 16 of the first word
// (arch/x86/include/asm/thread_info.h, v6.12).
const (
	flagByte  = "2"
	flagValue = "01"
)

// takeFlag reports whether the flag of this thread is set, and clears it.
func takeFlag() bool {
	var mode int32
	if err := unix.Prctl(unix.PR_GET_TSC, uintptr(unsafe.Pointer(&mode)), 0, 0, 0); err != nil || mode != unix.PR_TSC_SIGSEGV {
		return false
	}
	_ = unix.Prctl(unix.PR_SET_TSC, unix.PR_TSC_ENABLE, 0, 0, 0)
	return true
}
