package ports

import (
	"golang.org/x/sys/unix"
)

// Ioperm is ioperm(2), for the calling thread.
func Ioperm(port, n int, on bool) error {
	turnOn := 0
	if on {
		turnOn = 1
	}
	return unix.Ioperm(port, n, turnOn)
}

// Iopl is iopl(2), for the calling thread.
func Iopl(level int) error { return unix.Iopl(level) }

// inb reads a byte from an I/O port. Without permission it faults.
func inb(port uint16) byte
