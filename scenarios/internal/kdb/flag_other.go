//go:build !amd64

package kdb

import "golang.org/x/sys/unix"

// Write sets TIF_TAGGED_ADDR in the flags of a task, bit 26 of the first word
// (arch/arm64/include/asm/thread_info.h, v6.12).
const (
	flagByte  = "3"
	flagValue = "04"
)

// takeFlag reports whether the flag of this thread is set, and clears it.
func takeFlag() bool {
	flags, err := unix.PrctlRetInt(unix.PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0)
	if err != nil || flags&unix.PR_TAGGED_ADDR_ENABLE == 0 {
		return false
	}
	_ = unix.Prctl(unix.PR_SET_TAGGED_ADDR_CTRL, 0, 0, 0, 0)
	return true
}
