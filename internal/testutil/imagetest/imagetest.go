// Package imagetest writes the forms in which distributions ship kernels, for
// tests: what EFI's tools make, without them.
package imagetest

import (
	"encoding/binary"
)

// Machines of PE files.
const (
	X86_64 = 0x8664
	ARM64  = 0xaa64
	RISCV  = 0x5064
)

// A Section of a PE file.
type Section struct {
	Name string // at most 8 bytes
	Data []byte
}

const (
	peOffset  = 0x80
	optSize   = 112 // PE32+ without data directories
	fileAlign = 512
)

// PE is a PE file with sections. Each is padded in the file, as linkers do it.
func PE(machine uint16, sections ...Section) []byte {
	le := binary.LittleEndian
	file := make([]byte, align(peOffset+24+optSize+40*len(sections)))
	copy(file, "MZ")
	le.PutUint32(file[0x3c:], peOffset)
	coff := file[peOffset:]
	copy(coff, "PE\x00\x00")
	le.PutUint16(coff[4:], machine)
	le.PutUint16(coff[6:], uint16(len(sections)))
	le.PutUint16(coff[20:], optSize)
	le.PutUint16(coff[22:], 0x0206)  // executable, no line numbers, no debug
	le.PutUint16(coff[24:], 0x20b)   // PE32+
	le.PutUint32(coff[24+32:], 4096) // alignment in memory
	le.PutUint32(coff[24+36:], fileAlign)
	le.PutUint16(coff[24+68:], 10) // EFI application
	for i, s := range sections {
		h := file[peOffset+24+optSize+40*i:]
		copy(h[:8], s.Name)
		le.PutUint32(h[8:], uint32(len(s.Data)))
		le.PutUint32(h[12:], uint32(0x1000*(i+1)))
		le.PutUint32(h[16:], uint32(align(len(s.Data))))
		le.PutUint32(h[20:], uint32(len(file)))
		file = append(file, s.Data...)
		file = append(file, make([]byte, align(len(file))-len(file))...)
	}
	return file
}

func align(n int) int { return (n + fileAlign - 1) &^ (fileAlign - 1) }

// UKI is a unified kernel image: a PE file with a kernel and its arguments.
func UKI(machine uint16, kernel []byte, args string) []byte {
	return PE(machine,
		Section{".text", []byte("stub")}, Section{".osrel", []byte("ID=test\n")}, Section{".cmdline", []byte(args)},
		Section{".linux", kernel}, Section{".initrd", []byte("070701")})
}

// Zboot is an EFI zboot image for a machine, whose payload is compressed in the way
// that it names. Its size follows the payload, and does not belong to it (zboot-header.S
// and Makefile.zboot in drivers/firmware/efi/libstub, v6.12).
func Zboot(machine uint16, compression string, payload []byte) []byte {
	le := binary.LittleEndian
	data := le.AppendUint32(append([]byte(nil), payload...), 0x12345678)
	file := PE(machine, Section{".text", []byte("decompressor")}, Section{".gzdata", data})
	start := len(file) - align(len(data))
	copy(file[4:], "zimg")
	le.PutUint32(file[8:], uint32(start))
	le.PutUint32(file[12:], uint32(len(payload)))
	copy(file[24:56], compression)
	copy(file[56:], "\xcd\x23\x82\x81") // LINUX_PE_MAGIC
	return file
}
