package arch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

func TestKernelMemory(t *testing.T) {
	le := binary.LittleEndian
	x86, arm := Get("x86_64"), Get("arm64")
	bz := heads()["bzImage"]
	le.PutUint64(bz[0x258:], 16<<20)
	le.PutUint32(bz[0x260:], 55<<20)
	image := heads()["Image"]
	le.PutUint64(image[16:], 34<<20)
	wild := bytes.Clone(image)
	le.PutUint64(wild[16:], 1<<63)
	var vmlinux bytes.Buffer
	h := elf.Header64{Machine: uint16(elf.EM_X86_64), Phoff: 64, Phnum: 3}
	copy(h.Ident[:], elf.ELFMAG)
	for _, part := range []any{h,
		elf.Prog64{Type: uint32(elf.PT_LOAD), Paddr: 16 << 20, Memsz: 8 << 20},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Paddr: 24 << 20, Memsz: 4 << 20},
		elf.Prog64{Type: uint32(elf.PT_NOTE), Paddr: 1 << 30, Memsz: 4},
	} {
		if err := binary.Write(&vmlinux, le, part); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		arch *Arch
		head []byte
		want int64
	}{
		"bzImage":     {x86, bz, 71 << 20},
		"vmlinux":     {x86, vmlinux.Bytes(), 28 << 20},
		"cut vmlinux": {x86, vmlinux.Bytes()[:64+56+10], 24 << 20},
		"Image":       {arm, image, 34 << 20},
		"wild Image":  {arm, wild, 1 << 40},
		"other":       {arm, bz, 0},
		"text":        {x86, []byte("text"), 0},
	} {
		if got := tt.arch.KernelMemory(tt.head); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", name, got, tt.want)
		}
	}
}
