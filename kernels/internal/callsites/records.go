package callsites

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// recordSection is the section in which the lab's kernels record the source of
// each call (include/linux/ldlab.h of series lab). Without it, call sites have
// no source.
const recordSection = ".ldlab_sites"

// A record is five 64-bit words: an address behind the call, those of three
// strings, and the line.
type record struct {
	addr                     uint64
	file, function, argument string
	line                     int
}

const recordSize = 5 * 8

// records of one section or file, by address.
type records []record

// describe adds the source to a site: the first record at or after the return
// address of its call, unless the next call's return address comes before it.
func (list records) describe(s *lockdown.Site, ret, next uint64) {
	i, _ := slices.BinarySearchFunc(list, ret, func(r record, ret uint64) int { return cmp.Compare(r.addr, ret) })
	if i == len(list) || list[i].addr >= next {
		return
	}
	r := list[i]
	s.File, s.Function, s.Line = r.file, r.function, r.line
	s.Reason, _ = lockdown.ParseReason(r.argument)
}

func (list records) sort() {
	slices.SortFunc(list, func(a, b record) int { return cmp.Compare(a.addr, b.addr) })
}

// linkedRecords reads the records of a linked file, whose words are addresses.
func linkedRecords(f *elf.File) (records, error) {
	s := f.Section(recordSection)
	if s == nil {
		return nil, nil
	}
	data, err := s.Data()
	if err != nil || len(data)%recordSize != 0 {
		return nil, fmt.Errorf("read %s of %d bytes: %v", recordSection, len(data), err)
	}
	word := f.ByteOrder.Uint64
	var list records
	for ; len(data) > 0; data = data[recordSize:] {
		r := record{addr: word(data), line: int(word(data[32:]))}
		for i, to := range []*string{&r.file, &r.function, &r.argument} {
			if *to, err = linkedString(f, word(data[8+8*i:])); err != nil {
				return nil, fmt.Errorf("read %s: %w", recordSection, err)
			}
		}
		list = append(list, r)
	}
	list.sort()
	return list, nil
}

func linkedString(f *elf.File, addr uint64) (string, error) {
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type == elf.SHT_PROGBITS && s.Addr <= addr && addr < s.Addr+s.Size {
			return stringAt(s, addr-s.Addr)
		}
	}
	return "", fmt.Errorf("no string at %#x", addr)
}

// maxString bounds the strings of a record: names of files and functions.
const maxString = 4096

func stringAt(s *elf.Section, offset uint64) (string, error) {
	b := make([]byte, min(maxString, s.Size-min(offset, s.Size)))
	if _, err := s.ReadAt(b, int64(offset)); err != nil {
		return "", fmt.Errorf("read %s: %w", s.Name, err)
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return "", fmt.Errorf("no end of a string in %s", s.Name)
	}
	return string(b[:end]), nil
}

// records reads those of an object by the section of the call: all but the
// line is in relocations.
func (o *object) records() (map[elf.SectionIndex]records, error) {
	index := slices.IndexFunc(o.file.Sections, func(s *elf.Section) bool { return s.Name == recordSection })
	if index < 0 {
		return nil, nil
	}
	data, err := o.file.Sections[index].Data()
	if err != nil || len(data)%recordSize != 0 {
		return nil, fmt.Errorf("read %s of %d bytes: %v", recordSection, len(data), err)
	}
	relocs, err := o.relocations(elf.SectionIndex(index))
	if err != nil {
		return nil, err
	}
	at := map[uint64]relocation{}
	for _, r := range relocs {
		at[r.offset] = r
	}
	bySection := map[elf.SectionIndex]records{}
	for i := uint64(0); i < uint64(len(data)); i += recordSize {
		section, addr, err := o.target(at, i)
		if err != nil {
			return nil, err
		}
		r := record{addr: addr, line: int(o.file.ByteOrder.Uint64(data[i+32:]))}
		for n, to := range []*string{&r.file, &r.function, &r.argument} {
			in, offset, err := o.target(at, i+8+8*uint64(n))
			if err != nil {
				return nil, err
			}
			if *to, err = stringAt(o.file.Sections[in], offset); err != nil {
				return nil, fmt.Errorf("read %s: %w", recordSection, err)
			}
		}
		bySection[section] = append(bySection[section], r)
	}
	for _, list := range bySection {
		list.sort()
	}
	return bySection, nil
}

// target returns the place that the word at an offset of the records refers to.
func (o *object) target(at map[uint64]relocation, offset uint64) (elf.SectionIndex, uint64, error) {
	r, ok := at[offset]
	if !ok {
		return 0, 0, fmt.Errorf("read %s: no relocation at %#x", recordSection, offset)
	}
	s, err := o.symbol(r.symbol)
	if err == nil && (s.Section == elf.SHN_UNDEF || int(s.Section) >= len(o.file.Sections)) {
		err = fmt.Errorf("%q is not in this file", s.Name)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read %s: relocation at %#x: %w", recordSection, offset, err)
	}
	return s.Section, s.Value + uint64(r.addend), nil
}
