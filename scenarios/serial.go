package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/serial"
)

func init() { register("serial", serialScenario) }

// Only a change of the interrupt or of the port's addresses is checked:
// drivers/tty/serial/serial_core.c:uart_set_info, v6.12. Without CAP_SYS_ADMIN
// it returns EPERM, too; a port that is in use returns EBUSY after lockdown.
func serialScenario() Scenario {
	const site = "drivers/tty/serial/serial_core.c:uart_set_info"
	s := Scenario{Name: "serial", Title: "move a serial port's interrupt and addresses with TIOCSSERIAL"}
	for _, p := range []struct {
		name, what string
		expect     Expectation
		change     func(*serial.Struct)
		more       func() []Variant
	}{
		{"irq", "another irq", Checked, serial.Change("irq"), func() []Variant {
			return append(append(serial.Vary("irq"), serial.Extremes()...), serial.SetControlling("irq"))
		}},
		{"port", "another port", Checked, serial.Change("port"), func() []Variant {
			return append(serial.Vary("port"), serial.Vary("port_high")...)
		}},
		{"iomem", "another iomem_base", Checked, serial.Change("iomem_base"), func() []Variant {
			return append(serial.Vary("iomem_base"), serial.Vary("iomem_reg_shift")...)
		}},
		{"hub6", "another hub6", Checked, serial.Change("hub6"), func() []Variant {
			return append(serial.Vary("hub6"), serial.Vary("io_type")...)
		}},
		{"same", "as it is", Unchecked, func(*serial.Struct) {}, nil},
		{"close-delay", "another close_delay", Unchecked, func(s *serial.Struct) { s.CloseDelay ^= 1 }, nil},
	} {
		act := Act{Do: func(context.Context, Env) Report {
			return serial.Open(func(fd int) Report { return serial.Set(fd, p.what, p.change) })
		}}
		if p.more != nil {
			act.More = func(context.Context, Env) []Variant { return p.more() }
		}
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{Name: p.name, Call: fmt.Sprintf("ioctl(%q, TIOCSSERIAL, %s)", serial.Port, p.what), Reason: "tiocsserial", Expect: p.expect},
			Where: Where{Site: site, Needs: []string{"CONFIG_SERIAL_8250"}},
			Act:   act,
		})
	}
	s.Probes = append(s.Probes, Probe{
		Claim: Claim{Name: "get", Call: fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", serial.Port), Expect: Unchecked, Reason: "tiocsserial"},
		Where: Where{Site: "drivers/tty/serial/serial_core.c:uart_get_info_user", Needs: []string{"CONFIG_SERIAL_8250"}},
		Act: Act{Do: func(context.Context, Env) Report {
			return serial.Open(func(fd int) Report {
				var s serial.Struct
				return observe.FromError(fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", serial.Port), s.Ioctl(fd, unix.TIOCGSERIAL))
			})
		}},
	})
	return s
}
