package callsites

import (
	"debug/elf"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// Module lists the call sites of a built module. The name of a site is what
// find_kallsyms_symbol makes of it (kernel/module/kallsyms.c, v6.12).
func Module(file string) ([]lockdown.Site, error) {
	o, err := openObject(file)
	if err != nil {
		return nil, err
	}
	defer o.file.Close()
	calls, err := o.calls()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	records, err := o.records()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// scripts/Makefile.lib, v6.12: the name is the file's, with underscores.
	module := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".ko"), "-", "_")
	l := layOut(o)
	var sites []lockdown.Site
	for i, c := range calls {
		s := lockdown.Site{Module: module, Tail: c.tail}
		name, err := l.name(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		s.Name = fmt.Sprintf("%s [%s]", name, module)
		next := uint64(math.MaxUint64)
		if i+1 < len(calls) && calls[i+1].section == c.section {
			next = calls[i+1].ret
		}
		records[c.section].describe(&s, c.ret, next)
		sites = append(sites, s)
	}
	sortSites(sites)
	return sites, nil
}

// A layout is where the loader puts a module's sections (__layout_sections,
// kernel/module/main.c, v6.12), as far as it matters to names: the text of the
// module, and what is dropped after its init, one after the other in whole
// pages.
type layout struct {
	*object
	at  map[elf.SectionIndex]uint64
	end [2]uint64 // of the two texts
}

// Both texts begin at an address of their own, far apart.
const (
	initBase = 1 << 32
	pageSize = 4096
)

func layOut(o *object) layout {
	l := layout{o, map[elf.SectionIndex]uint64{}, [2]uint64{0, initBase}}
	for i, s := range o.file.Sections {
		if s.Flags&(elf.SHF_ALLOC|elf.SHF_EXECINSTR) != elf.SHF_ALLOC|elf.SHF_EXECINSTR {
			continue
		}
		end := &l.end[boolIndex(strings.HasPrefix(s.Name, ".init"))]
		align := max(s.Addralign, 1)
		*end = (*end + align - 1) / align * align
		l.at[elf.SectionIndex(i)] = *end
		*end += s.Size
	}
	for i := range l.end {
		l.end[i] = (l.end[i] + pageSize - 1) / pageSize * pageSize
	}
	return l
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// name is what the kernel calls the return address of a call.
func (l layout) name(c call) (string, error) {
	base, ok := l.at[c.section]
	if !ok {
		return "", fmt.Errorf("a call in a section that is not text")
	}
	addr := base + c.ret
	isInit := base >= initBase
	next := l.end[boolIndex(isInit)]
	best := -1
	var bestAt uint64
	for i, s := range l.symbols {
		base, ok := l.at[s.Section]
		if !ok || base >= initBase != isInit || s.Name == "" || elf.ST_TYPE(s.Info) == elf.STT_SECTION || mappingSymbol(s.Name) {
			continue
		}
		switch at := base + s.Value; {
		case at > addr:
			next = min(next, at)
		case best < 0 || at > bestAt:
			best, bestAt = i, at
		}
	}
	if best < 0 {
		return "", fmt.Errorf("no symbol before a call at %s+%#x", l.file.Sections[c.section].Name, c.ret)
	}
	return fmt.Sprintf("%s+%#x/%#x", l.symbols[best].Name, addr-bestAt, next-bestAt), nil
}

// mappingSymbol is is_mapping_symbol of include/linux/module_symbol.h, v6.12.
func mappingSymbol(name string) bool {
	return strings.HasPrefix(name, ".L") || strings.HasPrefix(name, "L0") || strings.HasPrefix(name, "$")
}
