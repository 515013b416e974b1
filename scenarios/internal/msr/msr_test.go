package msr

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A register is one that a test's kernel has.
type register struct {
	value   uint64
	refuses bool // with EPERM
	late    bool // and does it all the same
}

func (r *register) target() target {
	return target{reg: 1, flip: 2, text: "look", look: func() (uint64, error) { return r.value, nil }}
}

func (r *register) way() Way {
	return Way{"write(%q, %#x, %#x)", func(_ int, _ uint32, value uint64) error {
		if !r.refuses || r.late {
			r.value = value
		}
		if r.refuses {
			return unix.EPERM
		}
		return nil
	}}
}

// TestChange: the report has the kernel's answer and what was done, and the
// register is as before.
func TestChange(t *testing.T) {
	for _, c := range []struct {
		name    string
		reg     register
		outcome observe.Outcome
		effect  observe.Effect
	}{
		{"allowed", register{value: 5}, observe.Allowed, observe.Happened},
		{"refused", register{value: 5, refuses: true}, observe.Denied, observe.Nothing},
		{"refused but done", register{value: 5, refuses: true, late: true}, observe.Denied, observe.Happened},
	} {
		r := c.reg.way().change(0, c.reg.target())
		if r.Outcome != c.outcome || r.Effect != c.effect || c.reg.value != 5 {
			t.Errorf("%s: %+v, the register is %d", c.name, r, c.reg.value)
		}
	}
}

// TestChangeStays: a register that cannot be put back is reported.
func TestChangeStays(t *testing.T) {
	value, writes := uint64(5), 0
	w := Way{"write(%q, %#x, %#x)", func(_ int, _ uint32, v uint64) error {
		if writes++; writes > 1 {
			return unix.EIO
		}
		value = v
		return nil
	}}
	r := w.change(0, target{flip: 2, text: "look", look: func() (uint64, error) { return value, nil }})
	if r.Effect != observe.Happened || !strings.Contains(r.Look, "cannot be put back: EIO") {
		t.Errorf("%+v", r)
	}
	r = w.change(0, target{look: func() (uint64, error) { return 0, errors.New("no look") }})
	if r.Outcome != observe.Failed {
		t.Errorf("%+v", r)
	}
}

func TestBytesOf(t *testing.T) {
	if got := bytesOf(0x0102, 2); !bytes.Equal(got, []byte{2, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("%v", got)
	}
}

// TestRDTSCP: the kernel keeps the processor's number in the low bits.
func TestRDTSCP(t *testing.T) {
	if !hasRDTSCP() {
		t.Skip("this processor has no RDTSCP")
	}
	defer onCPU0()()
	var cpu uint32
	if _, _, e := unix.Syscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); e != 0 || cpu != 0 {
		t.Skipf("this test may not run on processor 0: getcpu = %d, %v", cpu, e)
	}
	if aux := rdtscp(); aux&0xfff != 0 {
		t.Errorf("IA32_TSC_AUX is %#x on processor 0", aux)
	}
}
