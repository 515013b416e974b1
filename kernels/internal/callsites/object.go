package callsites

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
)

// An object is a relocatable ELF file: vmlinux.o or a module. Its relocations
// show which bytes are calls, and their targets.
type object struct {
	file    *elf.File
	symbols []elf.Symbol // the Nth symbol of the file is at N-1
}

// A call is a call of the callee in an object.
type call struct {
	section elf.SectionIndex
	ret     uint64 // offset in the section of what follows it
	tail    bool
}

func openObject(file string) (*object, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return &object{f, symbols}, nil
}

// symbol returns the symbol that a relocation refers to.
func (o *object) symbol(n uint32) (elf.Symbol, error) {
	if n == 0 || int(n) > len(o.symbols) {
		return elf.Symbol{}, fmt.Errorf("no symbol %d", n)
	}
	return o.symbols[n-1], nil
}

// A relocation is an entry of a SHT_RELA section of a 64-bit file.
type relocation struct {
	offset uint64
	kind   uint32
	symbol uint32
	addend int64
}

const relaSize = 24

// relocations returns those of a section; none is no error.
func (o *object) relocations(section elf.SectionIndex) ([]relocation, error) {
	for _, s := range o.file.Sections {
		if s.Type != elf.SHT_RELA || elf.SectionIndex(s.Info) != section {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.Name, err)
		}
		order := o.file.ByteOrder
		var list []relocation
		for ; len(data) >= relaSize; data = data[relaSize:] {
			info := order.Uint64(data[8:])
			list = append(list, relocation{order.Uint64(data), uint32(info), uint32(info >> 32), int64(order.Uint64(data[16:]))})
		}
		return list, nil
	}
	return nil, nil
}

// calls lists the calls of the callee, by section and offset.
func (o *object) calls() ([]call, error) {
	m, err := machineOf(o.file)
	if err != nil {
		return nil, err
	}
	number := uint32(0)
	for i, s := range o.symbols {
		if s.Name == callee {
			number = uint32(i + 1)
		}
	}
	if number == 0 {
		return nil, nil
	}
	var list []call
	for i, s := range o.file.Sections {
		if s.Flags&(elf.SHF_ALLOC|elf.SHF_EXECINSTR) != elf.SHF_ALLOC|elf.SHF_EXECINSTR || s.Type != elf.SHT_PROGBITS {
			continue
		}
		relocs, err := o.relocations(elf.SectionIndex(i))
		if err != nil {
			return nil, err
		}
		var code []byte
		for _, r := range relocs {
			if r.symbol != number {
				continue
			}
			if code == nil {
				if code, err = s.Data(); err != nil {
					return nil, fmt.Errorf("read %s: %w", s.Name, err)
				}
			}
			c, ok := m.relocated(code, r)
			if !ok {
				return nil, fmt.Errorf("%s+%#x refers to %s, and is no call", s.Name, r.offset, callee)
			}
			c.section = elf.SectionIndex(i)
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.ret, b.ret))
	})
	return list, nil
}

// functionOf returns the function that contains a place in a relocatable file.
func (o *object) functionOf(section elf.SectionIndex, offset uint64) (elf.Symbol, bool) {
	i := slices.IndexFunc(o.symbols, func(s elf.Symbol) bool {
		return s.Section == section && elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value <= offset && offset < s.Value+s.Size
	})
	if i < 0 {
		return elf.Symbol{}, false
	}
	return o.symbols[i], true
}
