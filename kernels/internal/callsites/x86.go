package callsites

import (
	"bytes"
	"encoding/binary"
)

// An instruction of x86-64, as far as its length and its targets need it.
type instruction struct {
	size int
	kind reference // whether it refers to an address in a way of its own
	at   int       // where in it the displacement or the number is
}

// A reference is how an instruction refers to an address.
type reference int

const (
	noReference  reference = iota
	callOrJump             // by a displacement of four bytes from its end
	shortJump              // by one byte
	loadRelative           // lea, by a displacement of four bytes from its end
	loadNumber             // mov or push of a number of four bytes, which is sign-extended
)

// prefixesX86 are those before a REX prefix and the opcode.
var prefixesX86 = []byte{0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3}

// decodeX86 looks at the first instruction of some code, whose size is 0 if it
// is none or is not whole. Intel's Software Developer's Manual, volume 2,
// chapter 2 and appendix A, has the maps of opcodes.
func decodeX86(code []byte) instruction {
	whole := len(code)
	i, operand16, wide := 0, false, false
	for ; i < len(code) && bytes.IndexByte(prefixesX86, code[i]) >= 0; i++ {
		operand16 = operand16 || code[i] == 0x66
	}
	if i < len(code) && code[i]&0xf0 == 0x40 {
		wide = code[i]&8 != 0
		i++
	}
	if i+4 > len(code) {
		code = append(bytes.Clone(code), 0, 0, 0, 0) // what uses these is too long
	}
	number := 4
	if operand16 && !wide {
		number = 2
	}
	op := code[i]
	var n instruction
	switch op {
	case 0x0f:
		n = decodeX860F(code, i+1)
	case 0xc4, 0x62: // VEX of three bytes, EVEX of four
		after := i + 3
		if op == 0x62 {
			after++
		}
		n = modRM(code, after+1)
		if code[i+1]&7 == 3 {
			n.size++ // map 0f 3a
		}
		if code[i+1]&7 == 1 && hasByteX860F(at(code, after)) {
			n.size++
		}
	case 0xc5:
		if n = modRM(code, i+3); at(code, i+2) == 0x77 { // vzeroupper has no ModRM
			n = instruction{size: i + 3}
		}
		if hasByteX860F(at(code, i+2)) {
			n.size++
		}
	default:
		n = decodeX86One(code, i, number, wide)
	}
	if n.size > whole {
		return instruction{}
	}
	return n
}

func at(code []byte, i int) byte {
	if i < len(code) {
		return code[i]
	}
	return 0
}

// decodeX86One has an opcode of one byte, at i.
func decodeX86One(code []byte, i, number int, wide bool) instruction {
	op, next := code[i], i+1
	switch {
	case op == 0xe8, op == 0xe9:
		return instruction{next + 4, callOrJump, next}
	case op == 0xeb, op&0xf0 == 0x70:
		return instruction{next + 1, shortJump, next}
	case op == 0x68:
		return instruction{next + number, loadNumber, next}
	case op == 0x8d:
		n := modRM(code, next)
		if at(code, next)&0xc7 == 5 {
			n.kind, n.at = loadRelative, next+1
		}
		return n
	case op == 0xc7:
		n := modRM(code, next)
		n.kind, n.at = loadNumber, n.size
		n.size += number
		return n
	case op < 0x40 && op&7 < 4, op == 0x63, op&0xfc == 0x84, op&0xf8 == 0x88, op&0xfc == 0xd0, op&0xf8 == 0xd8, op == 0xfe, op == 0xff:
		return modRM(code, next)
	case op == 0x6b, op == 0x80, op == 0x83, op == 0xc0, op == 0xc1, op == 0xc6:
		return modRM(code, next).plus(1)
	case op == 0x69, op == 0x81:
		return modRM(code, next).plus(number)
	case op == 0xf6, op == 0xf7: // test has a number, not, neg, mul and div have none
		n := modRM(code, next)
		if at(code, next)&0x30 != 0 {
			return n
		}
		if op == 0xf6 {
			return n.plus(1)
		}
		return n.plus(number)
	case op < 0x40 && op&7 == 4, op == 0x6a, op == 0xa8, op&0xf8 == 0xb0, op == 0xcd, op&0xf8 == 0xe0:
		return instruction{size: next + 1}
	case op < 0x40 && op&7 == 5, op == 0xa9:
		return instruction{size: next + number}
	case op&0xf8 == 0xb8 && wide, op&0xfc == 0xa0:
		return instruction{size: next + 8}
	case op&0xf8 == 0xb8:
		return instruction{size: next + number}
	case op == 0xc2, op == 0xca:
		return instruction{size: next + 2}
	case op == 0xc8:
		return instruction{size: next + 3}
	}
	return instruction{size: next}
}

// decodeX860F has an opcode of the map 0f, at i.
func decodeX860F(code []byte, i int) instruction {
	op, next := code[i], i+1
	switch {
	case op == 0x38:
		return modRM(code, next+1)
	case op == 0x3a:
		return modRM(code, next+1).plus(1)
	case op&0xf0 == 0x80:
		return instruction{next + 4, callOrJump, next}
	case op >= 0x05 && op <= 0x0c, op == 0x0e, op&0xf8 == 0x30, op == 0x77, op >= 0xa0 && op <= 0xa2, op >= 0xa8 && op <= 0xaa, op&0xf8 == 0xc8:
		return instruction{size: next}
	case hasByteX860F(op):
		return modRM(code, next).plus(1)
	}
	return modRM(code, next)
}

// hasByteX860F reports whether an instruction of the map 0f ends in a byte.
func hasByteX860F(op byte) bool {
	return op&0xfc == 0x70 && op != 0x77 || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 || op >= 0xc4 && op <= 0xc6 || op == 0x0f
}

func (n instruction) plus(bytes int) instruction {
	n.size += bytes
	return n
}

// modRM is an instruction with a ModRM byte at i, and what belongs to that.
func modRM(code []byte, i int) instruction {
	m := at(code, i)
	size := i + 1
	mod, rm := m>>6, m&7
	if mod == 3 {
		return instruction{size: size}
	}
	if rm == 4 {
		if mod == 0 && at(code, size)&7 == 5 {
			size += 4
		}
		size++
	}
	switch {
	case mod == 1:
		size++
	case mod == 2, mod == 0 && rm == 5:
		size += 4
	}
	return instruction{size: size}
}

// referencesX86 calls found with each address that an instruction refers to.
// The code begins with an instruction.
func referencesX86(code []byte, base uint64, found func(target uint64, call bool)) {
	for i := 0; i < len(code); {
		n := decodeX86(code[i:])
		if n.size == 0 {
			return
		}
		end := base + uint64(i+n.size)
		switch word := code[i+n.at:]; n.kind {
		case callOrJump, loadRelative:
			found(end+uint64(int64(int32(binary.LittleEndian.Uint32(word)))), n.kind == callOrJump)
		case shortJump:
			found(end+uint64(int64(int8(word[0]))), true)
		case loadNumber:
			if i+n.at+4 <= i+n.size {
				found(uint64(int64(int32(binary.LittleEndian.Uint32(word)))), false)
			}
		}
		i += n.size
	}
}
