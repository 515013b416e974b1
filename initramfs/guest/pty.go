//go:build !lean

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A ptyRequest is the payload of pty-req (RFC 4254, section 6.2).
type ptyRequest struct {
	Term                         string
	Columns, Rows, Width, Height uint32
	Modes                        string // ignored: the terminal keeps its defaults
}

// A windowChange is the payload of window-change (section 6.7).
type windowChange struct {
	Columns, Rows, Width, Height uint32
}

// A pty is a pseudo-terminal. The session holds the master.
type pty struct {
	master *os.File
	slave  string // path
}

func openPTY(size windowChange) (*pty, error) {
	// O_NONBLOCK makes os.NewFile use Go's poller, so that a deadline ends a read.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: /dev/ptmx: %w", err)
	}
	p := &pty{master: os.NewFile(uintptr(fd), "/dev/ptmx")}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		p.slave = fmt.Sprintf("/dev/pts/%d", n)
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = p.resize(size)
	}
	if err != nil {
		p.master.Close()
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	return p, nil
}

func (p *pty) resize(w windowChange) error {
	c, err := p.master.SyscallConn()
	if err != nil {
		return err
	}
	size := &unix.Winsize{Row: uint16(w.Rows), Col: uint16(w.Columns), Xpixel: uint16(w.Width), Ypixel: uint16(w.Height)}
	ctlErr := c.Control(func(fd uintptr) { err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// openSlave opens the side that becomes the command's terminal.
func (p *pty) openSlave() (*os.File, error) {
	f, err := os.OpenFile(p.slave, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	return f, nil
}
