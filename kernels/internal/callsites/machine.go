package callsites

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// A machine recognizes calls in an architecture's code: in an object by
// relocation, in a linked file by target.
type machine struct {
	// relocated looks at the instruction that a relocation is for.
	relocated func(code []byte, r relocation) (call, bool)
	// leads lists what looks like a call of target: an offset and whether it is
	// a jump. Other instructions may contain the same bytes.
	leads func(code []byte, base, target uint64) []call
}

var machines = map[elf.Machine]machine{
	elf.EM_X86_64:  {relocatedX86, leadsX86},
	elf.EM_AARCH64: {relocatedARM64, leadsARM64},
}

func machineOf(f *elf.File) (machine, error) {
	m, ok := machines[f.Machine]
	if !ok || f.Class != elf.ELFCLASS64 {
		return machine{}, fmt.Errorf("no machine of the lab: %v", f.Machine)
	}
	return m, nil
}

// x86: e8 is call, e9 jmp and 0f 80 to 0f 8f jcc, each with a displacement of
// four bytes from its end.
func callX86(code []byte, at int) (tail, ok bool) {
	switch {
	case code[at-1] == 0xe8:
		return false, true
	case code[at-1] == 0xe9, at >= 2 && code[at-2] == 0x0f && code[at-1]&0xf0 == 0x80:
		return true, true
	}
	return false, false
}

func relocatedX86(code []byte, r relocation) (call, bool) {
	kind := elf.R_X86_64(r.kind)
	if kind != elf.R_X86_64_PLT32 && kind != elf.R_X86_64_PC32 || r.addend != -4 || r.offset == 0 || r.offset+4 > uint64(len(code)) {
		return call{}, false
	}
	tail, ok := callX86(code, int(r.offset))
	return call{ret: r.offset + 4, tail: tail}, ok
}

func leadsX86(code []byte, base, target uint64) []call {
	var list []call
	for at := 1; at+4 <= len(code); at++ {
		tail, ok := callX86(code, at)
		if !ok {
			continue
		}
		end := uint64(at) + 4
		if base+end+uint64(int64(int32(binary.LittleEndian.Uint32(code[at:])))) == target {
			list = append(list, call{ret: end, tail: tail})
		}
	}
	return list
}

// arm64: bl is 0x94000000 and b 0x14000000, each with a displacement of 26 bits
// in words.
func callARM64(word uint32) (tail, ok bool) {
	switch word & 0xfc000000 {
	case 0x94000000:
		return false, true
	case 0x14000000:
		return true, true
	}
	return false, false
}

func relocatedARM64(code []byte, r relocation) (call, bool) {
	kind := elf.R_AARCH64(r.kind)
	if kind != elf.R_AARCH64_CALL26 && kind != elf.R_AARCH64_JUMP26 || r.addend != 0 || r.offset+4 > uint64(len(code)) {
		return call{}, false
	}
	tail, ok := callARM64(binary.LittleEndian.Uint32(code[r.offset:]))
	return call{ret: r.offset + 4, tail: tail}, ok
}

func leadsARM64(code []byte, base, target uint64) []call {
	var list []call
	for at := 0; at+4 <= len(code); at += 4 {
		word := binary.LittleEndian.Uint32(code[at:])
		tail, ok := callARM64(word)
		if !ok {
			continue
		}
		words := int64(int32(word<<6) >> 6) // sign-extended
		if base+uint64(at)+uint64(4*words) == target {
			list = append(list, call{ret: uint64(at) + 4, tail: tail})
		}
	}
	return list
}
