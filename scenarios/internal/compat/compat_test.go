package compat

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestProgram reads the program as a linker does, and runs its loads by hand.
func TestProgram(t *testing.T) {
	buffer := Buffer{Data: []byte("0123----89"), SelfAt: []int{4}}
	b := program(347, []Arg{Word(7), FD(42), buffer, Word(9)})
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != elf.EM_ARM || f.Class != elf.ELFCLASS32 || len(f.Progs) != 1 || f.Progs[0].Filesz != uint64(len(b)) || f.Progs[0].Memsz != uint64(len(b)) {
		t.Fatalf("%+v, %+v", f.FileHeader, f.Progs)
	}
	word := func(addr uint32) uint32 { return binary.LittleEndian.Uint32(b[addr-programBase:]) }
	registers := map[uint32]uint32{}
	at := uint32(f.Entry)
	for ; word(at) != svc; at += 4 {
		w := word(at)
		if w&0xffff0000 != ldrPC {
			t.Fatalf("%#x at %#x is no load", w, at)
		}
		registers[w>>12&15] = word(at + aheadOfPC + w&0xfff)
	}
	for i, want := range map[uint32]uint32{7: 347, 0: 7, 1: 3, 3: 9, 4: 0} {
		if registers[i] != want {
			t.Errorf("r%d is %#x, want %#x", i, registers[i], want)
		}
	}
	addr := registers[2]
	if got := b[addr-programBase:][:10]; string(got[:4]) != "0123" || string(got[8:]) != "89" || word(addr+4) != addr {
		t.Errorf("the buffer at %#x is %q", addr, got)
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		want observe.Outcome
	}{
		{nil, observe.Allowed},
		{unix.EPERM, observe.Denied},
		{unix.EINVAL, observe.Failed},
		{absentError{noCompat}, observe.Unavailable},
		{errors.New("execute it: EPERM"), observe.Failed},
	} {
		if r := Report("call", c.err); r.Outcome != c.want {
			t.Errorf("%v: %+v, want %s", c.err, r, c.want)
		}
	}
}
