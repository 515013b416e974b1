package ports

import (
	"golang.org/x/sys/unix"
)

// Ioperm is ioperm(2): of the calling thread.
func Ioperm(port, n int, on bool) error {
	turnOn := 0
	if on {
		turnOn = 1
	}
	return unix.Ioperm(port, n, turnOn)
}

// Iopl is iopl(2): of the calling thread.
func Iopl(level int) error { return unix.Iopl(level) }

// inb reads a byte from an I/O port. A thread without permission faults.
func inb(port uint16) byte
