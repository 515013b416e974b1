package scenarios

import "golang.org/x/sys/unix"

// ioperm is ioperm(2): of the calling thread.
func ioperm(port, n int, on bool) error {
	turnOn := 0
	if on {
		turnOn = 1
	}
	return unix.Ioperm(port, n, turnOn)
}

// iopl is iopl(2): of the calling thread.
func iopl(level int) error { return unix.Iopl(level) }

// inb reads a byte from an I/O port. A thread without permission faults.
func inb(port uint16) byte
