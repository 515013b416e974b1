package ports

import (
	"golang.org/x/sys/unix"
)

// Ioperm is ioperm(2) of the calling thread. Each value of on but 0 grants.
func Ioperm(port, n, on int) error { return unix.Ioperm(port, n, on) }

// Iopl is iopl(2), for the calling thread.
func Iopl(level int) error { return unix.Iopl(level) }

// inb reads a byte from an I/O port. Without permission it faults.
func inb(port uint16) byte
