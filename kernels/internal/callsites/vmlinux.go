package callsites

import (
	"cmp"
	"debug/elf"
	"fmt"
	"math"
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// Vmlinux lists the call sites of a built kernel. vmlinux has their addresses,
// but bytes that look like a call may be part of another instruction. The
// relocations of vmlinux.o, from which it was linked, show which ones are
// calls. Each call there must be found here.
func Vmlinux(vmlinux, vmlinuxObject string, k *Kallsyms) ([]lockdown.Site, error) {
	o, err := openObject(vmlinuxObject)
	if err != nil {
		return nil, err
	}
	defer o.file.Close()
	want, err := o.callsByFunction()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vmlinuxObject, err)
	}
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	calls, err := linkedCalls(f, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	list, err := linkedRecords(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	var sites []lockdown.Site
	for i, c := range calls {
		s := lockdown.Site{Tail: c.tail}
		var ok bool
		if s.Name, ok = k.Name(c.ret); !ok {
			return nil, fmt.Errorf("%s: the kernel has no name for %#x", vmlinux, c.ret)
		}
		next := uint64(math.MaxUint64)
		if i+1 < len(calls) {
			next = calls[i+1].ret
		}
		list.describe(&s, c.ret, next)
		sites = append(sites, s)
	}
	sortSites(sites)
	return sites, nil
}

// A place is where a call ends, in a function. Functions of the same name have
// places that may be equal, so places are counted.
type place struct {
	function string
	offset   uint64
	tail     bool
}

// callsByFunction counts the calls of an object by their places.
func (o *object) callsByFunction() (map[place]int, error) {
	calls, err := o.calls()
	if err != nil {
		return nil, err
	}
	places := map[place]int{}
	for _, c := range calls {
		f, ok := o.functionOf(c.section, c.ret-1)
		if !ok {
			return nil, fmt.Errorf("a call at %s+%#x is in no function", o.file.Sections[c.section].Name, c.ret)
		}
		places[place{f.Name, c.ret - f.Value, c.tail}]++
	}
	return places, nil
}

// linkedCalls finds the calls of a linked file, by address. In want are those
// of the object that it was linked from.
func linkedCalls(f *elf.File, want map[place]int) ([]call, error) {
	m, err := machineOf(f)
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == callee })
	if i < 0 {
		if len(want) > 0 {
			return nil, fmt.Errorf("no %s", callee)
		}
		return nil, nil // CONFIG_SECURITY is off
	}
	target := symbols[i].Value
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) != elf.STT_FUNC })
	var calls []call
	for _, s := range f.Sections {
		if s.Flags&(elf.SHF_ALLOC|elf.SHF_EXECINSTR) != elf.SHF_ALLOC|elf.SHF_EXECINSTR || s.Type != elf.SHT_PROGBITS {
			continue
		}
		code, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.Name, err)
		}
		for _, c := range m.leads(code, s.Addr, target) {
			c.ret += s.Addr
			if takePlace(want, symbols, c) {
				calls = append(calls, c)
			}
		}
	}
	for p, n := range want {
		if n > 0 {
			return nil, fmt.Errorf("%s calls %s, and does not any more once it is linked", p.function, callee)
		}
	}
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.ret, b.ret) })
	return calls, nil
}

// takePlace removes the place of a call from the list; false if it is not
// there.
func takePlace(want map[place]int, functions []elf.Symbol, c call) bool {
	for _, f := range functions {
		if f.Value > c.ret-1 || c.ret-1 >= f.Value+f.Size {
			continue
		}
		if p := (place{f.Name, c.ret - f.Value, c.tail}); want[p] > 0 {
			want[p]--
			return true
		}
	}
	return false
}
