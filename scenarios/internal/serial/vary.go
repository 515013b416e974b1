package serial

import (
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A change of a setting has a name.
type change struct {
	name string
	make func(*Struct)
}

// guardedChanges are one of each setting that is checked, but for the port's
// type. The port has no hardware and no type, so nothing of it is used.
var guardedChanges = []change{
	{"irq", func(s *Struct) { s.IRQ ^= 6 }}, // 3 to 5, 0 to 6: no interrupt is requested
	{"port", func(s *Struct) { s.Port ^= 0x10 }},
	{"port_high", func(s *Struct) { s.PortHigh ^= 1 }},
	{"iomem_base", func(s *Struct) { s.IomemBase ^= 0x1000 }},
	{"iomem_reg_shift", func(s *Struct) { s.IomemRegShift ^= 1 }},
	{"io_type", func(s *Struct) { s.IOType ^= 3 }},
	{"hub6", func(s *Struct) { s.Hub6 ^= 1 }},
}

// freeChanges are one of each setting that is not checked.
var freeChanges = []change{
	{"close_delay", func(s *Struct) { s.CloseDelay ^= 1 }},
	{"closing_wait", func(s *Struct) { s.ClosingWait ^= 1 }},
	{"baud_base", func(s *Struct) { s.BaudBase = 57600 }},
	{"custom_divisor", func(s *Struct) { s.CustomDivisor ^= 1 }},
	{"xmit_fifo_size", func(s *Struct) {
		if s.XmitFIFOSize != 0 { // 0 leaves it as it is, so it could not be put back
			s.XmitFIFOSize = s.XmitFIFOSize%64 + 1
		}
	}},
	{"flags", func(s *Struct) { s.Flags ^= 1 << 13 }}, // ASYNC_LOW_LATENCY: include/uapi/linux/tty_flags.h, v6.12
}

// extremes are values that a check may take for none.
var extremes = []change{
	{"irq = 0", func(s *Struct) { s.IRQ = 0 }},
	{"port = 0", func(s *Struct) { s.Port = 0 }},
	{"port = 0xffffffff", func(s *Struct) { s.Port = 0xffffffff }},
	{"iomem_base = all ones", func(s *Struct) { s.IomemBase = ^uintptr(0) }},
	{"every setting", func(s *Struct) {
		for _, c := range guardedChanges {
			c.make(s)
		}
	}},
	// With a type the driver looks for the hardware at the port, finds none, and
	// keeps the type for those who may configure it
	// (drivers/tty/serial/serial_core.c:uart_port_startup, v6.12).
	{"type", func(s *Struct) {
		if s.Port != 0 {
			s.Type ^= 1
		}
	}},
}

// Vary changes the guarded setting of the name alone, with every other setting,
// and through descriptors of other modes.
func Vary(name string) (list []observe.Variant) {
	for i, g := range guardedChanges {
		if g.name != name {
			continue
		}
		list = append(list, vary(unix.O_RDWR, g))
		for _, other := range append(guardedChanges[i+1:len(guardedChanges):len(guardedChanges)], freeChanges...) {
			list = append(list, vary(unix.O_RDWR, pair(g, other)))
		}
		for _, mode := range []int{unix.O_RDONLY, unix.O_WRONLY} {
			list = append(list, vary(mode, g))
		}
	}
	return list
}

// Extremes changes settings to values at the ends of their ranges.
func Extremes() (list []observe.Variant) {
	for _, c := range extremes {
		list = append(list, vary(unix.O_RDWR, c))
	}
	return list
}

func pair(a, b change) change {
	return change{a.name + " and " + b.name, func(s *Struct) { a.make(s); b.make(s) }}
}

func vary(mode int, c change) observe.Variant {
	r := OpenAs(mode, func(fd int) observe.Report { return Set(fd, c.name, c.make) })
	if r.Effect == "" && r.Outcome == observe.Allowed {
		r = r.Saw(false, "the port has these settings already")
	}
	text := c.name
	if mode != unix.O_RDWR {
		text = observe.OpenCall(Port, mode) + ", " + c.name
	}
	return r.Vary(text)
}

// Change is the change of a guarded setting, by the setting's name.
func Change(name string) func(*Struct) {
	for _, c := range guardedChanges {
		if c.name == name {
			return c.make
		}
	}
	panic("serial: no setting " + name)
}
