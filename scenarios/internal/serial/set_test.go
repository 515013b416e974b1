package serial

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A port of a test's kernel.
type port struct {
	is            Struct
	refuses, late bool
}

func (p *port) ioctl(s *Struct, cmd uintptr) error {
	if cmd == unix.TIOCGSERIAL {
		*s = p.is
		return nil
	}
	checked := s.guarded() != p.is.guarded()
	if !checked || !p.refuses || p.late {
		p.is = *s
	}
	if checked && p.refuses {
		return unix.EPERM
	}
	return nil
}

// TestSet: the report has the kernel's answer and what was done, and the port is
// as before.
func TestSet(t *testing.T) {
	before := Struct{IRQ: 3, Port: 0x2e8, BaudBase: 115200, CloseDelay: 50}
	for _, c := range []struct {
		name    string
		port    port
		change  func(*Struct)
		outcome observe.Outcome
		effect  observe.Effect
	}{
		{"allowed", port{}, Change("irq"), observe.Allowed, observe.Happened},
		{"refused", port{refuses: true}, Change("irq"), observe.Denied, observe.Nothing},
		{"refused but done", port{refuses: true, late: true}, Change("hub6"), observe.Denied, observe.Happened},
		{"not checked", port{refuses: true}, freeChanges[0].make, observe.Allowed, observe.Happened},
		{"no change", port{refuses: true}, func(*Struct) {}, observe.Allowed, ""},
	} {
		p := c.port
		p.is = before
		r := set(Port, p.ioctl, c.name, c.change)
		if r.Outcome != c.outcome || r.Effect != c.effect || p.is != before {
			t.Errorf("%s: %+v, the port is %+v", c.name, r, p.is)
		}
	}
}

// TestSetWithoutClock: a port without a clock gets one, which is no effect.
func TestSetWithoutClock(t *testing.T) {
	p := port{}
	if r := set(Port, p.ioctl, "", Change("irq")); r.Effect != observe.Happened || strings.Contains(r.Look, "put back") || p.is != (Struct{BaudBase: 115200}) {
		t.Errorf("%+v, the port is %+v", r, p.is)
	}
	p = port{refuses: true}
	if r := set(Port, p.ioctl, "", Change("irq")); r.Effect != observe.Nothing || p.is != (Struct{}) {
		t.Errorf("%+v, the port is %+v", r, p.is)
	}
}

// TestChanges: each guarded change is one, each free change is none, and each
// undoes itself or can be undone.
func TestChanges(t *testing.T) {
	for _, c := range guardedChanges {
		var s Struct
		if c.make(&s); s.guarded() == (Struct{}) || s != s.guarded() {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	for _, c := range freeChanges {
		s := Struct{XmitFIFOSize: 16}
		if c.make(&s); s.guarded() != (Struct{}) || s == (Struct{XmitFIFOSize: 16}) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		is   Struct
		want string
	}{
		{Struct{IRQ: 3}, "as before"},
		{Struct{IRQ: 5, Port: 16}, "Port 0x10, before 0x0; IRQ 0x5, before 0x3"},
	} {
		if got := differences(Struct{IRQ: 3}, c.is); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
