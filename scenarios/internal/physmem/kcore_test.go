package physmem

import (
	"debug/elf"
	"testing"
)

func TestOffsetOf(t *testing.T) {
	load := uint32(elf.PT_LOAD)
	segments := []elf.Prog64{
		{Type: uint32(elf.PT_NOTE), Memsz: 1 << 20},
		{Type: load, Off: 0x1000, Paddr: ^uint64(0), Memsz: 1 << 40},
		{Type: load, Off: 0x9000, Paddr: 0x100000, Memsz: 0x2000},
		{Type: load, Off: 0x80000, Paddr: 0x204000, Memsz: 0x4000}, // the kernel's image, where it runs
		{Type: load, Off: 0x20000, Paddr: 0x200000, Memsz: 0x10000},
	}
	for _, tt := range []struct {
		at, size uint64
		want     int64
		ok       bool
	}{
		{0x100000, 0x1000, 0x9000, true}, {0x101000, 0x1000, 0xa000, true},
		{0x101001, 0x1000, 0, false}, {0xff000, 0x1000, 0, false}, {0x102000, 1, 0, false},
		{0x205000, 0x1000, 0x25000, true},
	} {
		if got, ok := offsetOf(segments, tt.at, tt.size); got != tt.want || ok != tt.ok {
			t.Errorf("%#x: %#x, %v, want %#x, %v", tt.at, got, ok, tt.want, tt.ok)
		}
	}
}
