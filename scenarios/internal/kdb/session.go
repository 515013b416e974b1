package kdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	kgdbocFile = "/sys/module/kgdboc/parameters/kgdboc"
	EnableFile = "/sys/module/kdb/parameters/cmd_enable"
	SysRqFile  = "/proc/sysrq-trigger"
)

// A debugSession is a serial port at which the host's driver sits, given to the
// kernel's debugger. The kernel polls the port while it stands still, and this
// process has it before and after.
type debugSession struct {
	ctx    context.Context
	fd     int
	rights string // kdb's, before it was entered
}

// startDebugSession finds the port and gives it to kgdboc. The result is
// Allowed where that worked.
func startDebugSession(ctx context.Context) (*debugSession, observe.Report) {
	for _, need := range []struct{ path, config string }{
		{kgdbocFile, "CONFIG_KGDB_SERIAL_CONSOLE"}, {EnableFile, "CONFIG_KGDB_KDB"}, {SysRqFile, "CONFIG_MAGIC_SYSRQ"},
	} {
		if r := observe.UnavailableIf(observe.WithFile(need.path, unix.O_WRONLY, nil), need.config, unix.ENOENT); r.Outcome != observe.Allowed {
			return nil, r
		}
	}
	tty, r := pciSerialPort()
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	fd, r := observe.Open("/dev/"+tty, unix.O_RDWR|unix.O_NOCTTY)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	s := &debugSession{ctx: ctx, fd: fd}
	s.rights, _ = observe.ReadBounded(EnableFile)
	if err := s.rawMode(); err != nil {
		unix.Close(fd)
		return nil, observe.SetupFailed("ioctl(TCSETS, raw)", err)
	}
	// ENODEV: the port's driver cannot be polled.
	if err := observe.WriteCommand(kgdbocFile, tty); err != nil {
		unix.Close(fd)
		return nil, observe.UnavailableIf(observe.SetupFailed(fmt.Sprintf("write(%q, %q)", kgdbocFile, tty), err), "CONFIG_CONSOLE_POLL", unix.ENODEV)
	}
	return s, r
}

// end takes the port from the kernel's debugger, and gives kdb back the rights
// that lockdown took from it: kdb does not ask for what it no longer has, and
// the next probe is to be asked about.
func (s *debugSession) end() error {
	defer unix.Close(s.fd)
	// Where nobody reads at the other end, closing would wait for 30 s.
	_ = unix.IoctlSetInt(s.fd, unix.TCFLSH, unix.TCIOFLUSH)
	return errors.Join(
		// An empty name; kgdboc drops the newline (param_set_kgdboc_var, v6.12).
		observe.WriteCommand(kgdbocFile, "\n"),
		observe.WriteCommand(EnableFile, s.rights),
	)
}

// play stops the kernel and gives what its debugger answered to the script. The
// host's driver is asked first whether it is there: nobody else could have the
// kernel run on.
func (s *debugSession) play(script []debugger.Step) ([]debugger.Output, error) {
	if err := debugger.Prepare(s, script); err != nil {
		return nil, err
	}
	// The file does not look at the mask in kernel.sysrq
	// (drivers/tty/sysrq.c:write_sysrq_trigger, v6.12).
	if err := observe.WriteCommand(SysRqFile, "g"); err != nil {
		return nil, err
	}
	return debugger.Fetch(s)
}

// Read reads from the port. It returns when there is something, or with the
// session's context.
func (s *debugSession) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b) // waits for 0.1 s; see rawMode
		switch {
		case n > 0:
			return n, nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return 0, err
		case s.ctx.Err() != nil:
			return 0, s.ctx.Err()
		}
	}
}

// Write writes to the port.
func (s *debugSession) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := unix.Write(s.fd, b[done:])
		done += max(n, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			time.Sleep(time.Millisecond)
		case err != nil && !errors.Is(err, unix.EINTR):
			return done, err
		case s.ctx.Err() != nil:
			return done, s.ctx.Err()
		}
	}
	return done, nil
}

// rawMode has the terminal pass every byte on, echo none, and give up a read
// after 0.1 s.
func (s *debugSession) rawMode() error {
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	t.Cc[unix.VTIME] = 1
	return unix.IoctlSetTermios(s.fd, unix.TCSETS, &t)
}

// pciSerialPort names the terminal of a serial port that is a PCI device.
func pciSerialPort() (tty string, r observe.Report) {
	const act = `readdir("/sys/class/tty"), a port on PCI`
	links, _ := filepath.Glob("/sys/class/tty/ttyS*")
	for _, path := range links {
		// Below the root of the PCI bus, wherever the machine has that.
		if to, err := os.Readlink(path); err == nil && strings.Contains(to, "/pci0000:") {
			return filepath.Base(path), observe.FromError(act, nil)
		}
	}
	why := "a serial port on PCI"
	classes, _ := filepath.Glob("/sys/bus/pci/devices/*/class")
	for _, path := range classes {
		// PCI_CLASS_COMMUNICATION_SERIAL, and what it takes for a 16550.
		if class, _ := observe.ReadBounded(path); strings.HasPrefix(class, "0x070002") {
			why = "CONFIG_SERIAL_8250_PCI" // the device is there
		}
	}
	return "", observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(act, unix.ENOENT), Errno: observe.ErrnoName(unix.ENOENT), Why: why}
}
