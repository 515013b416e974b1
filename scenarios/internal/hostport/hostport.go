// Package hostport is the guest's end of the serial port at whose other end the
// host answers: see internal/debugger.
package hostport

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/serial"
)

// A Port is the open port. It implements io.ReadWriter.
type Port struct {
	Ctx context.Context // ends reads and writes
	TTY string          // the terminal, below /dev
	fd  int
}

// Open finds the port and opens it. The report is Allowed if that worked.
func Open(ctx context.Context) (*Port, observe.Report) {
	tty, r := serial.OnPCI()
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	fd, r := observe.Open("/dev/"+tty, unix.O_RDWR|unix.O_NOCTTY)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	p := &Port{Ctx: ctx, TTY: tty, fd: fd}
	if err := p.rawMode(); err != nil {
		unix.Close(fd)
		return nil, observe.SetupFailed("ioctl(TCSETS, raw)", err)
	}
	return p, r
}

// Close drops what was not sent yet and closes the port.
func (p *Port) Close() {
	// If nothing reads at the other end, close would wait for 30 s.
	_ = unix.IoctlSetInt(p.fd, unix.TCFLSH, unix.TCIOFLUSH)
	unix.Close(p.fd)
}

// Read reads from the port. It returns when there is data or the context ends.
func (p *Port) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b) // returns after 0.1 s at most; see rawMode
		switch {
		case n > 0:
			return n, nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return 0, err
		case p.Ctx.Err() != nil:
			return 0, p.Ctx.Err()
		}
	}
}

// Write writes to the port.
func (p *Port) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := unix.Write(p.fd, b[done:])
		done += max(n, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			time.Sleep(time.Millisecond)
		case err != nil && !errors.Is(err, unix.EINTR):
			return done, err
		case p.Ctx.Err() != nil:
			return done, p.Ctx.Err()
		}
	}
	return done, nil
}

// rawMode makes the terminal pass on every byte, echo none, and end a read
// after 0.1 s.
func (p *Port) rawMode() error {
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	t.Cc[unix.VTIME] = 1
	return unix.IoctlSetTermios(p.fd, unix.TCSETS, &t)
}
