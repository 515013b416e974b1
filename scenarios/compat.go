package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/kexec"
	"github.com/ldlab/ldlab/scenarios/internal/module"
	"github.com/ldlab/ldlab/scenarios/internal/pci"
	"github.com/ldlab/ldlab/scenarios/internal/ports"
	"github.com/ldlab/ldlab/scenarios/internal/serial"
)

func init() { register("compat", compatScenario) }

// A kernel with CONFIG_COMPAT has an entry of its own for each call of a 32-bit
// program. Some of these check by themselves (kexec_load), take another way to the
// check (TIOCSSERIAL), or exist for such programs only (pciconfig_write).
func compatScenario() Scenario {
	const symbol = "CONFIG_COMPAT"
	junk := module.Junk{What: "128 zero bytes", Size: module.JunkSize}
	x86 := []string{"x86_64"}
	s := Scenario{Name: "compat", Title: "the same acts by the system calls of a 32-bit program"}
	s.Probes = []Probe{
		{
			Claim: Claim{Name: "kexec-load", Call: "32-bit kexec_load(one segment)", Reason: "kexec"},
			Where: Where{Site: "kernel/kexec.c:kexec_load_check", Needs: []string{symbol, "CONFIG_KEXEC"}},
			Act: Act{
				Do: func(context.Context, Env) Report { return kexec.LoadCompat(0, 1) },
				More: func(context.Context, Env) []Variant {
					return []Variant{
						kexec.LoadCompat(kexec.OnCrash, 1).Vary("KEXEC_ON_CRASH"),
						kexec.LoadCompat(0, 16).Vary("16 segments"), // KEXEC_SEGMENT_MAX
					}
				},
			},
		},
		{
			Claim: Claim{Name: "init-module", Call: "32-bit init_module(128 zero bytes)", Reason: "module_signature"},
			Where: Where{Site: "kernel/module/signing.c:module_sig_check", Needs: []string{symbol, "CONFIG_MODULES", "CONFIG_MODULE_SIG"}},
			Act:   Act{Do: func(context.Context, Env) Report { return junk.InitCompat() }},
		},
		{
			Claim: Claim{Name: "finit-module", Call: "32-bit finit_module(128 zero bytes)", Reason: "module_signature"},
			Where: Where{Site: "kernel/module/signing.c:module_sig_check", Needs: []string{symbol, "CONFIG_MODULES", "CONFIG_MODULE_SIG"}},
			Act:   Act{Do: func(context.Context, Env) Report { return junk.FinitCompat(0) }},
		},
		{
			Claim: Claim{Name: "ioperm", Call: "32-bit ioperm(0x80, 1, 1)", Reason: "ioport"},
			Where: Where{Site: "arch/x86/kernel/ioport.c:ksys_ioperm", Needs: []string{symbol, "CONFIG_X86_IOPL_IOPERM"}, Only: x86},
			Act: Act{Do: func(context.Context, Env) Report {
				return ports.RangeCompat(ports.POSTPort, 1, 1, ports.POSTPort)
			}},
		},
		{
			Claim: Claim{Name: "iopl", Call: "32-bit iopl(3)", Reason: "ioport"},
			Where: Where{Site: "arch/x86/kernel/ioport.c:__do_sys_iopl", Needs: []string{symbol, "CONFIG_X86_IOPL_IOPERM"}, Only: x86},
			Act:   Act{Do: func(context.Context, Env) Report { return ports.LevelCompat(3) }},
		},
		{
			Claim: Claim{Name: "pciconfig-write", Call: "32-bit pciconfig_write(another byte, 0x3c)", Reason: "pci_access"},
			Where: Where{Site: "drivers/pci/syscall.c:__do_sys_pciconfig_write", Needs: []string{symbol, "CONFIG_PCI_SYSCALL"}, Only: []string{"arm64"}},
			Act: Act{
				Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteCompat(d, pci.InterruptLine, 1) }),
				More: func(ctx context.Context, env Env) (list []Variant) {
					for _, size := range []int{2, 4} { // pci-testdev has no driver: the bytes behind the line may be lost
						r := pci.OnTestdev(func(d pci.Device) Report { return pci.WriteCompat(d, pci.InterruptLine, size) })(ctx, env)
						list = append(list, r.Vary(fmt.Sprintf("%d bytes", size)))
					}
					return list
				},
			},
		},
	}
	s.Probes = append(s.Probes, compatSerial()...)
	for i := range s.Probes {
		s.Probes[i].Apart = !compat.Native // a program of 32 bits makes the calls
	}
	return s
}

// compatSerial changes a serial port.
func compatSerial() (list []Probe) {
	needs := []string{"CONFIG_COMPAT", "CONFIG_SERIAL_8250"}
	for _, f := range [][2]string{{"irq", "irq"}, {"port", "port"}, {"iomem", "iomem_base"}, {"hub6", "hub6"}} {
		name, field := f[0], f[1]
		list = append(list, Probe{
			Claim: Claim{
				Name: "serial-" + name,
				Call: fmt.Sprintf("32-bit ioctl(%q, TIOCSSERIAL, another %s)", serial.Port, field), Reason: "tiocsserial",
			},
			Where: Where{Site: "drivers/tty/serial/serial_core.c:uart_set_info", Needs: needs},
			Act: Act{Do: func(context.Context, Env) Report {
				return serial.OpenAs(unix.O_RDWR, func(fd int) Report { return serial.SetCompat(fd, "another "+field, serial.Change(field)) })
			}},
		})
	}
	return append(list, Probe{
		Claim: Claim{Name: "serial-get", Call: fmt.Sprintf("32-bit ioctl(%q, TIOCGSERIAL)", serial.Port), Expect: Unchecked, Reason: "tiocsserial"},
		Where: Where{Site: "drivers/tty/serial/serial_core.c:uart_get_info_user", Needs: needs},
		Act: Act{Do: func(context.Context, Env) Report {
			return serial.OpenAs(unix.O_RDONLY, serial.GetCompat)
		}},
	})
}
