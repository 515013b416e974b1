package callsites

import "encoding/binary"

// referencesARM64 calls found with each address that an instruction refers to: by
// a branch of any kind, or by adrp and the add that completes it.
func referencesARM64(code []byte, base uint64, found func(target uint64, call bool)) {
	pages := map[uint32]uint64{} // by register, what adrp put there
	for i := 0; i+4 <= len(code); i += 4 {
		word, pc := binary.LittleEndian.Uint32(code[i:]), base+uint64(i)
		switch {
		case word&0x7c000000 == 0x14000000: // b, bl
			found(pc+uint64(4*signed(word, 26)), true)
		case word&0xff000010 == 0x54000000, word&0x7e000000 == 0x34000000: // b.cond, cbz, cbnz
			found(pc+uint64(4*signed(word>>5, 19)), true)
		case word&0x7e000000 == 0x36000000: // tbz, tbnz
			found(pc+uint64(4*signed(word>>5, 14)), true)
		case word&0x9f000000 == 0x90000000: // adrp
			number := word>>29&3 | word>>3&0x1ffffc
			pages[word&31] = pc&^0xfff + uint64(signed(number, 21)<<12)
		case word&0x9f000000 == 0x10000000: // adr
			number := word>>29&3 | word>>3&0x1ffffc
			found(pc+uint64(signed(number, 21)), false)
		case word&0xffc00000 == 0x91000000: // add of 64 bits and a number of 12
			if page, ok := pages[word>>5&31]; ok {
				found(page+uint64(word>>10&0xfff), false)
			}
		}
	}
}

// signed is a number of some bits, the lowest of a word.
func signed(word uint32, bits int) int64 {
	return int64(int32(word<<(32-bits)) >> (32 - bits))
}
