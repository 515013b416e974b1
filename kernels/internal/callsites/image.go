package callsites

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"os"
	"slices"
)

// An Image is the memory of a kernel as it is linked, before it runs.
type Image struct {
	names *Kallsyms
	parts []part
	// references calls found with each address that some code refers to.
	references func(code []byte, base uint64, found func(target uint64, call bool))
}

// A part of a kernel is loaded at an address.
type part struct {
	addr uint64
	data []byte
}

// arm64Magic is at 56 in the header of an arm64 Image
// (Documentation/arch/arm64/booting.rst, v6.12).
const arm64Magic, arm64MagicAt = "ARM\x64", 56

// ReadImage reads a kernel that boots uncompressed: vmlinux, without symbols as
// it may be, or the Image of arm64. It must be linked for one address, because
// the words of a relocatable one do not hold the addresses that they are to hold
// (CONFIG_RELOCATABLE).
func ReadImage(file string, names *Kallsyms) (*Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := &Image{names: names}
	if len(data) >= arm64MagicAt+4 && string(data[arm64MagicAt:arm64MagicAt+4]) == arm64Magic {
		m.references = referencesARM64
		m.parts = []part{{names.start, data}}
		return m, nil
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	switch f.Machine {
	case elf.EM_X86_64:
		m.references = referencesX86
	case elf.EM_AARCH64:
		m.references = referencesARM64
	default:
		return nil, fmt.Errorf("read %s: no machine of the lab: %v", file, f.Machine)
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type != elf.SHT_PROGBITS {
			continue
		}
		text, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", s.Name, file, err)
		}
		m.parts = append(m.parts, part{s.Addr, text})
	}
	slices.SortFunc(m.parts, func(a, b part) int { return cmp.Compare(a.addr, b.addr) })
	return m, nil
}

// bytes returns what is loaded from an address on, at most up to an end.
func (m *Image) bytes(start, end uint64) []byte {
	for _, p := range m.parts {
		if at := start - p.addr; start >= p.addr && at < uint64(len(p.data)) {
			return p.data[at:min(at+end-start, uint64(len(p.data)))]
		}
	}
	return nil
}
