package callsites

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// uses is who uses each function of a kernel, by the addresses of both.
type uses struct {
	calls  map[uint64][]uint64 // functions that call it or jump to it
	taken  map[uint64]bool     // some code takes its address
	tables map[uint64][]string // names of data that hold its address, once for each time
}

// Callers lists the ways into the call sites of a kernel itself, not those in its
// modules. From the function that contains a site it goes from caller to caller,
// up to functions that are called by address, to system calls, to the debugger's
// entry and to code that runs during boot only.
//
// It reads the linked code, not relocations: the assembler leaves none of a call
// within a section.
func Callers(m *Image, sites []lockdown.Site) ([]lockdown.Caller, error) {
	u := m.uses()
	type key struct{ site, name string }
	found := map[key]int{}
	for _, where := range wheres(sites) {
		w := walk{m: m, uses: u, seen: map[uint64]bool{}, found: map[string]int{}}
		for _, s := range sites {
			if s.Module != "" || s.Where() != where {
				continue
			}
			addr, ok := m.names.function(s.Name)
			if !ok {
				return nil, fmt.Errorf("no function of call site %s", s.Name)
			}
			w.up(addr)
		}
		for name, n := range w.found {
			found[key{where, name}] = n
		}
	}
	var list []lockdown.Caller
	for k, n := range found {
		list = append(list, lockdown.Caller{Site: k.site, Name: k.name, Times: n})
	}
	slices.SortFunc(list, func(a, b lockdown.Caller) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// wheres lists the places of sites in the source, without those in modules.
func wheres(sites []lockdown.Site) (list []string) {
	for _, s := range sites {
		if s.Module == "" && !slices.Contains(list, s.Where()) {
			list = append(list, s.Where())
		}
	}
	return list
}

// A walk goes up from the functions of one site.
type walk struct {
	m *Image
	uses
	seen  map[uint64]bool
	found map[string]int // names of callers, and how often each is
}

// debugger is the function through which every exception, interrupt of another
// processor and breakpoint enters kgdb. Its callers are all of the machine's.
const debugger = "kgdb_cpu_enter"

// up adds the callers that lead to a function.
func (w *walk) up(addr uint64) {
	if w.seen[addr] {
		return
	}
	w.seen[addr] = true
	name := w.m.names.symbolOf(addr)
	if call, ok := systemCallOf(name); ok {
		w.found[call] = 1 // one body has several entries
		return
	}
	if w.m.names.text[1].has(addr) {
		w.found[lockdown.CallerBoot] = 1
		return
	}
	if name == debugger {
		w.found[name] = 1
		return
	}
	for _, table := range w.tables[addr] {
		w.found[table+":"+name]++
	}
	for _, caller := range w.calls[addr] {
		w.up(caller)
	}
	if w.taken[addr] || len(w.tables[addr]) == 0 && len(w.calls[addr]) == 0 {
		w.found[name]++
	}
}

// wrapperOf matches the functions that an architecture puts around the body of a
// system call (SYSCALL_DEFINEx and COMPAT_SYSCALL_DEFINEx, arch/x86 and
// arch/arm64, v6.12).
var wrapperOf = regexp.MustCompile(`^__(?:do|se|x64|ia32|arm64)_(compat_)?sys_(\w+)$`)

// systemCallOf names the system call that a function is part of: sys_reboot,
// compat_sys_ioctl.
func systemCallOf(function string) (string, bool) {
	m := wrapperOf.FindStringSubmatch(function)
	if m == nil {
		return "", false
	}
	return m[1] + "sys_" + m[2], true
}

// uses looks at all code, and at all data.
func (m *Image) uses() uses {
	u := uses{calls: map[uint64][]uint64{}, taken: map[uint64]bool{}, tables: map[uint64][]string{}}
	starts := map[uint64]bool{}
	for _, s := range m.names.symbols {
		starts[s.addr] = true
	}
	for i, s := range m.names.symbols {
		if i > 0 && m.names.symbols[i-1].addr == s.addr {
			continue
		}
		_, end, ok := m.names.find(s.addr)
		if !ok {
			continue // an end of a text
		}
		m.references(m.bytes(s.addr, end), s.addr, func(target uint64, call bool) {
			switch {
			case target == s.addr || !starts[target]:
			case !call:
				u.taken[target] = true
			case !slices.Contains(u.calls[target], s.addr):
				u.calls[target] = append(u.calls[target], s.addr)
			}
		})
	}
	for _, p := range m.parts {
		for at := int(-p.addr & 7); at+8 <= len(p.data); at += 8 {
			target := binary.LittleEndian.Uint64(p.data[at:])
			if addr := p.addr + uint64(at); starts[target] && !m.names.outsideTables(addr) {
				u.tables[target] = append(u.tables[target], baseName(m.names.dataAt(addr)))
			}
		}
	}
	return u
}

// outsideTables reports whether an address is in code or in one of notTables.
func (k *Kallsyms) outsideTables(addr uint64) bool {
	has := func(s span) bool { return s.has(addr) }
	return slices.ContainsFunc(k.text[:], has) || slices.ContainsFunc(k.lists, has)
}

// baseName is a symbol without what the compiler adds to that of the source: a
// number, or what it did to a function (.isra.0, .constprop.0, .part.0).
func baseName(symbol string) string {
	name, _, _ := strings.Cut(symbol, ".")
	return name
}

// function is the address of the function in the name of a site.
func (k *Kallsyms) function(site string) (uint64, bool) {
	symbol, _, _ := strings.Cut(site, "+")
	symbol, number, numbered := strings.Cut(symbol, ",")
	n := 1
	if numbered {
		n, _ = strconv.Atoi(number)
	}
	all := k.named[symbol]
	if n < 1 || n > len(all) {
		return 0, false
	}
	return all[n-1], true
}

// symbolOf is the name of a function in the source.
func (k *Kallsyms) symbolOf(addr uint64) string {
	s, _, _ := k.find(addr)
	return baseName(s.name)
}

// dataAt names the data at an address.
func (k *Kallsyms) dataAt(addr uint64) string {
	after, _ := slices.BinarySearchFunc(k.data, addr+1, func(s symbol, addr uint64) int { return cmp.Compare(s.addr, addr) })
	if after == 0 {
		return ""
	}
	first, _ := slices.BinarySearchFunc(k.data, k.data[after-1].addr, func(s symbol, addr uint64) int { return cmp.Compare(s.addr, addr) })
	return k.data[first].name
}
