package compat

import "encoding/binary"

// Where the program is in memory, and the sizes of its parts in bytes.
const (
	programBase = 0x100000
	headerSize  = 52 + 32 // ELF header and one program header
)

// Instructions of AArch32.
const (
	ldrPC      = 0xe59f0000 // ldr r0, [pc, #imm]; the register is in bits 12 to 15
	svc        = 0xef000000 // svc #0
	cmpZero    = 0xe3500000 // cmp r0, #0
	movgtZero  = 0xc3a00000 // movgt r0, #0
	negate     = 0xe2600000 // rsb r0, r0, #0
	movExit    = 0xe3a07001 // mov r7, #1: exit
	codeWords  = 1 + maxArgs + 6
	aheadOfPC  = 8 // pc is two instructions ahead
	eabi5      = 0x05000200
	machineARM = 40
)

// program is an AArch32 program that makes one call and exits with its errno. The
// descriptors among the arguments are numbered from 3.
func program(nr uint32, args []Arg) []byte {
	le := binary.LittleEndian
	words := []uint32{nr}
	var data []byte
	dataAt := programBase + headerSize + uint32(codeWords+1+maxArgs)*4
	dataAt = (dataAt + 7) &^ 7
	fd := uint32(3)
	for _, arg := range args {
		switch arg := arg.(type) {
		case Word:
			words = append(words, uint32(arg))
		case FD:
			words = append(words, fd)
			fd++
		case Buffer:
			addr := dataAt + uint32(len(data))
			words = append(words, addr)
			data = append(data, arg.at(addr)...)
			data = append(data, make([]byte, (8-len(data)%8)%8)...)
		}
	}
	words = append(words, make([]uint32, 1+maxArgs-len(words))...)

	code := []uint32{}
	for i := range words {
		register := uint32(7) // the number of the call
		if i > 0 {
			register = uint32(i - 1)
		}
		code = append(code, ldrPC|register<<12|uint32((codeWords+i)*4-(i*4+aheadOfPC)))
	}
	code = append(code, svc, cmpZero, movgtZero, negate, movExit, svc)

	b := header()
	for _, w := range append(code, words...) {
		b = le.AppendUint32(b, w)
	}
	b = append(b, make([]byte, int(dataAt-programBase)-len(b))...)
	b = append(b, data...)
	for _, at := range []int{52 + 16, 52 + 20} { // size in the file and in memory
		le.PutUint32(b[at:], uint32(len(b)))
	}
	return b
}

// header is the ELF header and one segment, readable, writable and executable,
// that has the whole file.
func header() []byte {
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, machineARM)
	for _, w := range []uint32{1, programBase + headerSize, 52, 0, eabi5} {
		b = le.AppendUint32(b, w)
	}
	for _, h := range []uint16{52, 32, 1, 40, 0, 0} {
		b = le.AppendUint16(b, h)
	}
	for _, w := range []uint32{1, 0, programBase, programBase, 0, 0, 7, 0x1000} {
		b = le.AppendUint32(b, w)
	}
	return b
}
