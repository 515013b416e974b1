// Package identity turns a process into one of another user that keeps every
// capability.
package identity

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// SECBIT_NO_SETUID_FIXUP: a change of the user changes no capability
// (include/uapi/linux/securebits.h, v6.12).
const noSetuidFixup = 1 << 2

// Become gives every thread of the process the user ID and keeps its
// capabilities. There is no way back.
func Become(uid int) error {
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, noSetuidFixup, 0); e != 0 {
		return fmt.Errorf("keep capabilities: prctl(PR_SET_SECUREBITS): %w", e)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("change user: setresuid(%d): %w", uid, err)
	}
	return nil
}
