package arch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// KernelMemory is how many bytes of memory an image takes from address 0 on, before
// it has started anything; 0 if its head does not have that. head is the first
// HeadSize bytes of an image that CheckImage takes.
func (a *Arch) KernelMemory(head []byte) int64 {
	le := binary.LittleEndian
	switch {
	case a.CheckImage(head) != nil:
		return 0
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return segmentsEnd(head)
	case len(head) >= 0x264 && string(head[0x202:0x206]) == "HdrS":
		// pref_address and init_size (Documentation/arch/x86/boot.rst, v6.12).
		return bounded(le.Uint64(head[0x258:]), uint64(le.Uint32(head[0x260:])))
	case len(head) >= arm64HeadSize:
		return bounded(le.Uint64(head[arm64SizeOffset:]), 0)
	}
	return 0
}

// segmentsEnd is the end of the last segment of an ELF file that is loaded.
func segmentsEnd(head []byte) (end int64) {
	var h elf.Header64
	if binary.Read(bytes.NewReader(head), binary.LittleEndian, &h) != nil || h.Phoff > uint64(len(head)) {
		return 0
	}
	r := bytes.NewReader(head[h.Phoff:])
	for range h.Phnum {
		var p elf.Prog64
		if binary.Read(r, binary.LittleEndian, &p) != nil {
			break
		}
		if elf.ProgType(p.Type) == elf.PT_LOAD {
			end = max(end, bounded(p.Paddr, p.Memsz))
		}
	}
	return end
}

// bounded is a sum that is at most 1 TiB: headers may say anything.
func bounded(a, b uint64) int64 {
	const most = 1 << 40
	return int64(min(min(a, most)+min(b, most), most))
}
