package scenarios

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	consoleTTY = "/dev/tty0"
	postPort   = 0x80 // where a BIOS leaves its progress: nobody listens
	vgaPort    = 0x3b4

	// include/uapi/linux/kd.h, v6.12.
	ioctlKDADDIO   = 0x4b34
	ioctlKDDELIO   = 0x4b35
	ioctlKDENABIO  = 0x4b36
	ioctlKDDISABIO = 0x4b37
)

func init() { register("ioport", ioportScenario) }

// Only giving oneself ports asks, giving them up does not:
// arch/x86/kernel/ioport.c, v6.12. capable(CAP_SYS_RAWIO) comes first and says
// EPERM too, but logs nothing. A console's ioctls go the same way and turn
// every refusal into ENXIO: drivers/tty/vt/vt_ioctl.c:vt_k_ioctl.
func ioportScenario() Scenario {
	const permSite, ioplSite = "arch/x86/kernel/ioport.c:ksys_ioperm", "arch/x86/kernel/ioport.c:__do_sys_iopl"
	needs, vt := []string{"CONFIG_X86_IOPL_IOPERM"}, []string{"CONFIG_X86_IOPL_IOPERM", "CONFIG_VT"}
	s := Scenario{Name: "ioport", Title: "talk to devices through x86 I/O ports"}
	for _, p := range []struct {
		name, act string
		expect    Expectation
		site      string
		needs     []string
		run       func(act string) Result
	}{
		{"ioperm", "ioperm(0x80, 1, 1)", Checked, permSite, needs, func(act string) Result {
			r := judge(act, ioperm(postPort, 1, true))
			ioperm(postPort, 1, false)
			return r
		}},
		{"iopl", "iopl(3)", Checked, ioplSite, needs, func(act string) Result {
			r := judge(act, iopl(3))
			iopl(0)
			return r
		}},
		{"kdaddio", `ioctl("/dev/tty0", KDADDIO, 0x3b4)`, Checked, permSite, vt, func(act string) Result { return consolePorts(act, ioctlKDADDIO, ioctlKDDELIO, vgaPort) }},
		{"kdenabio", `ioctl("/dev/tty0", KDENABIO)`, Checked, permSite, vt, func(act string) Result { return consolePorts(act, ioctlKDENABIO, ioctlKDDISABIO, 0) }},
		{"ioperm-off", "ioperm(0x80, 1, 0)", Unchecked, permSite, needs, func(act string) Result { return judge(act, ioperm(postPort, 1, false)) }},
		{"iopl-0", "iopl(0)", Unchecked, ioplSite, needs, func(act string) Result { return judge(act, iopl(0)) }},
		{"kddelio", `ioctl("/dev/tty0", KDDELIO, 0x3b4)`, Unchecked, permSite, vt, func(act string) Result { return consolePorts(act, ioctlKDDELIO, ioctlKDDELIO, vgaPort) }},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: p.act, Reason: "ioport", Expect: p.expect, Site: p.site, Needs: p.needs, Only: []string{"x86_64"},
			Act: func(context.Context, Env) Result {
				runtime.LockOSThread() // permissions are a thread's; it ends with its goroutine
				return absent(p.run(p.act), p.needs[0], unix.ENOSYS)
			},
		})
	}
	return s
}

// consolePorts gives the thread ports by one ioctl of a console, and takes them
// away by another.
func consolePorts(act string, on, off uint, port int) Result {
	r := with(consoleTTY, unix.O_RDWR|unix.O_NOCTTY, func(fd int) Result {
		err := unix.IoctlSetInt(fd, on, port)
		unix.IoctlSetInt(fd, off, port)
		r := judge(act, err)
		// ENXIO is what ksys_ioperm's EPERM becomes, and its ENOSYS, too.
		if err == unix.ENXIO {
			if ioperm(postPort, 1, false) == unix.ENOSYS {
				return Result{Outcome: Unavailable, Errno: r.Errno, Call: r.Call, Why: "CONFIG_X86_IOPL_IOPERM"}
			}
			r.Outcome, r.Why = Denied, ""
		}
		return r
	})
	if !exists(consoleTTY) {
		return absent(r, "CONFIG_VT", unix.ENOENT)
	}
	return absent(r, fmt.Sprintf("%s has no console", consoleTTY), unix.ENXIO, unix.ENODEV, unix.EIO)
}
