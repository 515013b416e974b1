// Package elftest writes small ELF files for tests: what a linker makes of a few
// sections and symbols, without one.
package elftest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// A File is a 64-bit little-endian ELF file.
type File struct {
	Machine  elf.Machine
	Type     elf.Type
	Sections []Section
	Symbols  []Symbol
}

// A Section has contents; the Nth of a file is section N+1.
type Section struct {
	Name   string
	Flags  elf.SectionFlag
	Addr   uint64
	Align  uint64
	Data   []byte
	Relocs []Reloc
}

// A Reloc is for a place in a section. The Nth symbol of a file is symbol N+1.
type Reloc struct {
	Offset uint64
	Kind   uint32
	Symbol int
	Addend int64
}

// A Symbol belongs to a section; 0 is none.
type Symbol struct {
	Name    string
	Type    elf.SymType
	Section int
	Value   uint64
	Size    uint64
}

// Text is the flags of code.
const Text = elf.SHF_ALLOC | elf.SHF_EXECINSTR

// Bytes is the file.
func (f File) Bytes() []byte {
	var body bytes.Buffer
	body.Write(make([]byte, binary.Size(elf.Header64{})))
	names := table{"\x00"}
	headers := []elf.Section64{{}}
	add := func(h elf.Section64, name string, data any) {
		h.Name, h.Off = names.add(name), uint64(body.Len())
		binary.Write(&body, binary.LittleEndian, data)
		h.Size = uint64(body.Len()) - h.Off
		headers = append(headers, h)
	}
	for _, s := range f.Sections {
		add(elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(s.Flags), Addr: s.Addr, Addralign: s.Align}, s.Name, s.Data)
	}
	strings := table{"\x00"}
	symbols := []elf.Sym64{{}}
	for _, s := range f.Symbols {
		symbols = append(symbols, elf.Sym64{
			Name: strings.add(s.Name), Info: elf.ST_INFO(elf.STB_GLOBAL, s.Type),
			Shndx: uint16(s.Section), Value: s.Value, Size: s.Size,
		})
	}
	symtab := uint32(len(headers))
	add(elf.Section64{Type: uint32(elf.SHT_SYMTAB), Link: symtab + 1, Info: 1, Entsize: elf.Sym64Size}, ".symtab", symbols)
	add(elf.Section64{Type: uint32(elf.SHT_STRTAB)}, ".strtab", []byte(strings.text))
	for i, s := range f.Sections {
		var list []elf.Rela64
		for _, r := range s.Relocs {
			list = append(list, elf.Rela64{Off: r.Offset, Info: elf.R_INFO(uint32(r.Symbol), r.Kind), Addend: r.Addend})
		}
		if list != nil {
			add(elf.Section64{Type: uint32(elf.SHT_RELA), Link: symtab, Info: uint32(i + 1), Entsize: 24}, ".rela"+s.Name, list)
		}
	}
	names.add(".shstrtab")
	add(elf.Section64{Type: uint32(elf.SHT_STRTAB)}, ".shstrtab", []byte(names.text))

	head := elf.Header64{
		Type: uint16(f.Type), Machine: uint16(f.Machine), Version: uint32(elf.EV_CURRENT), Shoff: uint64(body.Len()),
		Ehsize: 64, Shentsize: uint16(binary.Size(elf.Section64{})), Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1),
	}
	copy(head.Ident[:], elf.ELFMAG)
	head.Ident[elf.EI_CLASS], head.Ident[elf.EI_DATA], head.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	binary.Write(&body, binary.LittleEndian, headers)
	out := body.Bytes()
	var first bytes.Buffer
	binary.Write(&first, binary.LittleEndian, head)
	copy(out, first.Bytes())
	return out
}

// A table is a section of strings.
type table struct{ text string }

// add gives the place of a string, which is put at the end if it is new.
func (t *table) add(s string) uint32 {
	if i := bytes.Index([]byte(t.text), []byte("\x00"+s+"\x00")); i >= 0 {
		return uint32(i + 1)
	}
	at := len(t.text)
	t.text += s + "\x00"
	return uint32(at)
}

// Words is 64-bit words as bytes.
func Words(words ...uint64) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}
