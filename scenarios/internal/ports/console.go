// Package ports gains access to x86 I/O ports.
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

// Console enables ports for the thread by one ioctl of a console, and disables
// them by another.
func Console(call string, on, off uint, port int) observe.Report {
	r := observe.WithFile(consoleTTY, unix.O_RDWR|unix.O_NOCTTY, func(fd int) observe.Report {
		err := unix.IoctlSetInt(fd, on, port)
		unix.IoctlSetInt(fd, off, port)
		r := observe.FromError(call, err)
		// ksys_ioperm's EPERM becomes ENXIO, and so does its ENOSYS.
		if err == unix.ENXIO {
			if Ioperm(POSTPort, 1, false) == unix.ENOSYS {
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
