//go:build !amd64

package ports

import "golang.org/x/sys/unix"

// There are I/O ports, and calls to get at them, on x86 only.

func Ioperm(port, n int, on bool) error { return unix.ENOSYS }

func Iopl(level int) error { return unix.ENOSYS }

func inb(port uint16) byte { panic("no I/O ports") }
