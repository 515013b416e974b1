package serial

import (
	"fmt"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// guarded are the settings of which a change is checked:
// drivers/tty/serial/serial_core.c:uart_set_info, v6.12, change_irq and
// change_port.
func (s Struct) guarded() Struct {
	return Struct{
		Type: s.Type, IRQ: s.IRQ, Port: s.Port, PortHigh: s.PortHigh, IOType: s.IOType,
		Hub6: s.Hub6, IomemBase: s.IomemBase, IomemRegShift: s.IomemRegShift,
	}
}

// An ioctl is TIOCGSERIAL or TIOCSSERIAL of a port.
type ioctl func(s *Struct, cmd uintptr) error

// Set changes settings of the port, looks at them, and restores them, also if the
// change was refused.
func Set(fd int, what string, change func(*Struct)) observe.Report {
	return set(Port, func(s *Struct, cmd uintptr) error { return s.Ioctl(fd, cmd) }, what, change)
}

func set(tty string, do ioctl, what string, change func(*Struct)) observe.Report {
	get := fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", tty)
	var was, is Struct
	if err := do(&was, unix.TIOCGSERIAL); err != nil {
		return observe.SetupFailed(get, err)
	}
	// A port without firmware description has a clock of 0, which uart_set_info
	// does not take. The first change therefore sets 115200 baud, which is not
	// part of the act. No call can set 0 again.
	if was.BaudBase == 0 {
		was.BaudBase = 115200
	}
	want := was
	change(&want)
	wanted := want // uart_set_info writes to the kernel's copy only
	r := observe.FromError(fmt.Sprintf("ioctl(%q, TIOCSSERIAL, %s)", tty, what), do(&want, unix.TIOCSSERIAL))
	if err := do(&is, unix.TIOCGSERIAL); err != nil {
		return observe.SetupFailed(get, err)
	}
	if is.BaudBase == 0 {
		is.BaudBase = was.BaudBase
	}
	if wanted != was {
		happened := is != was
		if wanted.guarded() != was.guarded() {
			happened = is.guarded() != was.guarded()
		}
		r = r.Saw(happened, get+" = "+differences(was, is))
	}
	if is != was {
		back := was
		err := do(&back, unix.TIOCSSERIAL) // a kernel that refuses too late refuses this, too
		if do(&is, unix.TIOCGSERIAL) != nil || is != was {
			r.Look += ", and cannot be put back: " + observe.ErrnoName(err)
		}
	}
	return r
}

// differences are the settings that differ, or "as before".
func differences(was, is Struct) string {
	if is == was {
		return "as before"
	}
	var list []string
	before, now := reflect.ValueOf(was), reflect.ValueOf(is)
	for i := range before.NumField() {
		if name := before.Type().Field(i).Name; name != "_" && !before.Field(i).Equal(now.Field(i)) {
			list = append(list, fmt.Sprintf("%s %#x, before %#x", name, now.Field(i), before.Field(i)))
		}
	}
	return strings.Join(list, "; ")
}
