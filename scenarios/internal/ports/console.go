package ports

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	consoleTTY = "/dev/tty0"
	POSTPort   = 0x80 // the BIOS's progress code: no device answers
	VGAPort    = 0x3b4

	// include/uapi/linux/kd.h, v6.12.
	IoctlKDADDIO   = 0x4b34
	IoctlKDDELIO   = 0x4b35
	IoctlKDENABIO  = 0x4b36
	IoctlKDDISABIO = 0x4b37
)

// Console enables ports for the thread by one ioctl of a console, looks at one
// port, and disables them by another ioctl. The console is opened with the
// flags. An argument of 0 is that of an ioctl for all of a video card's ports.
func Console(call string, flags int, on, off uint, arg int) observe.Report {
	port := uint16(arg)
	if arg == 0 {
		port = VGAPort
	}
	return onConsole(flags, func(fd int) observe.Report {
		return Try(call, port,
			func() error { return unix.IoctlSetInt(fd, on, arg) },
			func() { unix.IoctlSetInt(fd, off, arg) })
	})
}

// ConsoleOff disables ports for the thread by an ioctl of a console.
func ConsoleOff(call string, off uint, port int) observe.Report {
	return onConsole(unix.O_RDWR, func(fd int) observe.Report {
		return observe.FromError(call, unix.IoctlSetInt(fd, off, port))
	})
}

// onConsole does an act on a console. It fails with ENXIO if ksys_ioperm fails with
// EPERM or ENOSYS.
func onConsole(flags int, act func(fd int) observe.Report) observe.Report {
	r := observe.WithFile(consoleTTY, flags|unix.O_NOCTTY, func(fd int) observe.Report {
		r := act(fd)
		if r.Errno == unix.ErrnoName(unix.ENXIO) {
			if Ioperm(POSTPort, 1, 0) == unix.ENOSYS {
				return observe.Report{Outcome: observe.Unavailable, Errno: r.Errno, Call: r.Call, Why: "CONFIG_X86_IOPL_IOPERM"}
			}
			r.Outcome, r.Why = observe.Denied, ""
		}
		return r
	})
	if !observe.Exists(consoleTTY) {
		return observe.UnavailableIf(r, "CONFIG_VT", unix.ENOENT)
	}
	return observe.UnavailableIf(r, fmt.Sprintf("%s has no console", consoleTTY), unix.ENXIO, unix.ENODEV, unix.EIO)
}
