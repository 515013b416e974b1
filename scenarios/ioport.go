package scenarios

import (
	"context"
	"fmt"

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
		more      func() []Variant
	}{
		{"ioperm", "ioperm(0x80, 1, 1)", Checked, permSite, needs,
			func(string) Report { return ports.Range(ports.POSTPort, 1, 1, ports.POSTPort) }, iopermVariants},
		{"iopl", "iopl(3)", Checked, ioplSite, needs,
			func(string) Report { return ports.Levels(3) }, ioplVariants},
		{"kdaddio", `ioctl("/dev/tty0", KDADDIO, 0x3b4)`, Checked, permSite, vt, func(act string) Report {
			return ports.Console(act, unix.O_RDWR, ports.IoctlKDADDIO, ports.IoctlKDDELIO, ports.VGAPort)
		}, kdaddioVariants},
		{"kdenabio", `ioctl("/dev/tty0", KDENABIO)`, Checked, permSite, vt, func(act string) Report {
			return ports.Console(act, unix.O_RDWR, ports.IoctlKDENABIO, ports.IoctlKDDISABIO, 0)
		}, kdenabioVariants},
		{"ioperm-off", "ioperm(0x80, 1, 0)", Unchecked, permSite, needs, func(act string) Report { return observe.FromError(act, ports.Ioperm(ports.POSTPort, 1, 0)) }, nil},
		{"iopl-0", "iopl(0)", Unchecked, ioplSite, needs, func(act string) Report { return observe.FromError(act, ports.Iopl(0)) }, nil},
		{"kddelio", `ioctl("/dev/tty0", KDDELIO, 0x3b4)`, Unchecked, permSite, vt, func(act string) Report {
			return ports.ConsoleOff(act, ports.IoctlKDDELIO, ports.VGAPort)
		}, nil},
	} {
		act := Act{Do: func(context.Context, Env) Report {
			return observe.UnavailableIf(p.run(p.act), p.needs[0], unix.ENOSYS)
		}}
		if p.more != nil {
			act.More = func(context.Context, Env) []Variant { return p.more() }
		}
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{Name: p.name, Call: p.act, Reason: "ioport", Expect: p.expect},
			Where: Where{Site: p.site, Needs: p.needs, Only: []string{"x86_64"}},
			Act:   act,
		})
	}
	return s
}

// iopermVariants grants ranges of every size at either end of the ports, and by
// other values of turn_on. A look at the ports reads no data of a device: 0x0 is
// a count of the DMA controller, 0x3ff a serial port's scratch register.
func iopermVariants() (list []Variant) {
	for _, v := range []struct {
		from, n, on int
		look        uint16
	}{
		{0x80, 1, 2, 0x80}, {0x80, 1, -1, 0x80}, {0x80, 1, -1 << 31, 0x80},
		{0x80, 8, 1, 0x80}, {0x80, 2, 1, 0x81}, {0x80, 0x380, 1, 0x80},
		{0, 1, 1, 0}, {0, 0x81, 1, 0x80}, {0, 0x3ff, 1, 0x80}, {0, 0x400, 1, 0x3ff}, {0, 0x10000, 1, 0x80},
		{0x3ff, 1, 1, 0x3ff}, {0x400, 1, 1, 0x400}, {0xcf8, 8, 1, 0xcfb}, {0xffff, 1, 1, 0xffff},
	} {
		r := ports.Range(v.from, v.n, v.on, v.look)
		list = append(list, r.Vary(fmt.Sprintf("ioperm(%#x, %#x, %d)", v.from, v.n, v.on)))
	}
	return list
}

// ioplVariants reaches level 3 by steps and twice. Levels 1 and 2 give no port.
func ioplVariants() []Variant {
	return []Variant{
		ports.Levels(1, 3).Vary("iopl(1), iopl(3)"),
		ports.Levels(2, 3).Vary("iopl(2), iopl(3)"),
		ports.Levels(1, 2, 3).Vary("iopl(1), iopl(2), iopl(3)"),
		ports.Levels(3, 3).Vary("iopl(3), iopl(3)"),
		ports.Levels(3, 0, 3).Vary("iopl(3), iopl(0), iopl(3)"),
		ports.Levels(1).Vary("iopl(1)"),
		ports.Levels(2).Vary("iopl(2)"),
	}
}

// kdaddioVariants has the ports at both ends of those that KDADDIO takes
// (GPFIRST and GPLAST in drivers/tty/vt/vt_ioctl.c, v6.12), and descriptors of
// every mode.
func kdaddioVariants() (list []Variant) {
	for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
		for _, port := range []int{0x3b4, 0x3c2, 0x3df} {
			text := fmt.Sprintf("%s, KDADDIO %#x", observe.OpenCall("/dev/tty0", flags), port)
			list = append(list, ports.Console(text, flags, ports.IoctlKDADDIO, ports.IoctlKDDELIO, port).Vary(text))
		}
	}
	return list
}

func kdenabioVariants() (list []Variant) {
	for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		text := observe.OpenCall("/dev/tty0", flags) + ", KDENABIO"
		list = append(list, ports.Console(text, flags, ports.IoctlKDENABIO, ports.IoctlKDDISABIO, 0).Vary(text))
	}
	return list
}
