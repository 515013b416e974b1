package scenarios

import (
	"context"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ports"
)

func init() { register("ioport", ioportScenario) }

// Gaining access to ports is checked, giving it up is not:
// arch/x86/kernel/ioport.c, v6.12. capable(CAP_SYS_RAWIO) comes first and
// returns EPERM, too, but logs nothing. A console's ioctls go the same way and turn
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
		run       func(act string) Report
	}{
		{"ioperm", "ioperm(0x80, 1, 1)", Checked, permSite, needs, func(act string) Report {
			r := observe.FromError(act, ports.Ioperm(ports.POSTPort, 1, true))
			ports.Ioperm(ports.POSTPort, 1, false)
			return r
		}},
		{"iopl", "iopl(3)", Checked, ioplSite, needs, func(act string) Report {
			r := observe.FromError(act, ports.Iopl(3))
			ports.Iopl(0)
			return r
		}},
		{"kdaddio", `ioctl("/dev/tty0", KDADDIO, 0x3b4)`, Checked, permSite, vt, func(act string) Report {
			return ports.Console(act, ports.IoctlKDADDIO, ports.IoctlKDDELIO, ports.VGAPort)
		}},
		{"kdenabio", `ioctl("/dev/tty0", KDENABIO)`, Checked, permSite, vt, func(act string) Report {
			return ports.Console(act, ports.IoctlKDENABIO, ports.IoctlKDDISABIO, 0)
		}},
		{"ioperm-off", "ioperm(0x80, 1, 0)", Unchecked, permSite, needs, func(act string) Report { return observe.FromError(act, ports.Ioperm(ports.POSTPort, 1, false)) }},
		{"iopl-0", "iopl(0)", Unchecked, ioplSite, needs, func(act string) Report { return observe.FromError(act, ports.Iopl(0)) }},
		{"kddelio", `ioctl("/dev/tty0", KDDELIO, 0x3b4)`, Unchecked, permSite, vt, func(act string) Report {
			return ports.Console(act, ports.IoctlKDDELIO, ports.IoctlKDDELIO, ports.VGAPort)
		}},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{Name: p.name, Call: p.act, Reason: "ioport", Expect: p.expect},
			Where: Where{Site: p.site, Needs: p.needs, Only: []string{"x86_64"}},
			Act: Act{Do: func(context.Context, Env) Report {
				runtime.LockOSThread() // permissions are a thread's; it ends with its goroutine
				return observe.UnavailableIf(p.run(p.act), p.needs[0], unix.ENOSYS)
			}},
		})
	}
	return s
}
