//go:build !amd64

package ports

import "golang.org/x/sys/unix"

// Only x86 has I/O ports and system calls for them.

func Ioperm(port, n, on int) error { return unix.ENOSYS }

func Iopl(level int) error { return unix.ENOSYS }

func inb(port uint16) byte { panic("no I/O ports") }
