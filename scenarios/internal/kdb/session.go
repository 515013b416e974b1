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

// A debugSession is a serial port that the host's driver answers and that the
// kernel's debugger uses. The kernel polls the port while it is stopped; before
// and after, this process uses it.
type debugSession struct {
	ctx    context.Context
	fd     int
	rights string // kdb's permissions before it was entered

	flagged bool // the flag of Write was set when the kernel continued
}

// startDebugSession finds the port and gives it to kgdboc. The report is
// Allowed if that worked.
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
	// Distributions let kdb do less (CONFIG_KDB_DEFAULT_ENABLE=0); root may change
	// that.
	if err := observe.WriteCommand(EnableFile, "1"); err != nil {
		unix.Close(fd)
		return nil, observe.SetupFailed(observe.WriteCall(EnableFile, "1"), err)
	}
	// ENODEV: the port's driver cannot be polled.
	if err := observe.WriteCommand(kgdbocFile, tty); err != nil {
		unix.Close(fd)
		return nil, observe.UnavailableIf(observe.SetupFailed(fmt.Sprintf("write(%q, %q)", kgdbocFile, tty), err), "CONFIG_CONSOLE_POLL", unix.ENODEV)
	}
	return s, r
}

// end takes the port from the kernel's debugger and restores the permissions
// that lockdown removed from kdb. Without this, kdb would not check lockdown
// for the next probe.
func (s *debugSession) end() error {
	defer unix.Close(s.fd)
	// If nothing reads at the other end, close would wait for 30 s.
	_ = unix.IoctlSetInt(s.fd, unix.TCFLSH, unix.TCIOFLUSH)
	return errors.Join(
		// An empty name; kgdboc drops the newline (param_set_kgdboc_var, v6.12).
		observe.WriteCommand(kgdbocFile, "\n"),
		observe.WriteCommand(EnableFile, s.rights),
	)
}

// run stops the kernel and returns its debugger's answers to the script. It
// first checks that the host's driver answers: nothing else could continue the
// kernel.
func (s *debugSession) run(script []debugger.Step) ([]debugger.Output, error) {
	if err := debugger.Prepare(s, script); err != nil {
		return nil, err
	}
	// This file ignores the mask in kernel.sysrq
	// (drivers/tty/sysrq.c:write_sysrq_trigger, v6.12).
	err := observe.WriteCommand(SysRqFile, "g")
	s.flagged = takeFlag()
	if err != nil {
		return nil, err
	}
	return debugger.Fetch(s)
}

// Read reads from the port. It returns when there is data or the session's
// context ends.
func (s *debugSession) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b) // returns after 0.1 s at most; see rawMode
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

// rawMode makes the terminal pass on every byte, echo none, and end a read
// after 0.1 s.
func (s *debugSession) rawMode() error {
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	t.Cc[unix.VTIME] = 1
	return unix.IoctlSetTermios(s.fd, unix.TCSETS, &t)
}

// pciSerialPort returns the terminal of a serial port that is a PCI device.
func pciSerialPort() (tty string, r observe.Report) {
	const call = `readdir("/sys/class/tty"), a port on PCI`
	links, _ := filepath.Glob("/sys/class/tty/ttyS*")
	for _, path := range links {
		// Below the root of the PCI bus, whose place differs between machines.
		if to, err := os.Readlink(path); err == nil && strings.Contains(to, "/pci0000:") {
			return filepath.Base(path), observe.FromError(call, nil)
		}
	}
	why := "a serial port on PCI"
	classes, _ := filepath.Glob("/sys/bus/pci/devices/*/class")
	for _, path := range classes {
		// PCI_CLASS_COMMUNICATION_SERIAL with the programming interface of a
		// 16550.
		if class, _ := observe.ReadBounded(path); strings.HasPrefix(class, "0x070002") {
			why = "CONFIG_SERIAL_8250_PCI" // the machine has the device
		}
	}
	return "", observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(call, unix.ENOENT), Errno: observe.ErrnoName(unix.ENOENT), Why: why}
}
