package callsites

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kallsyms is a kernel's symbol table of functions, as %pS sees it.
type Kallsyms struct {
	symbols []symbol            // by address
	named   map[string][]uint64 // addresses of each name, in order
	text    [2]span             // .text and .init.text
	data    []symbol            // outside the text, by address
	start   uint64              // of the image
	lists   []span              // addresses of functions that are no tables
}

type symbol struct {
	addr uint64
	name string
}

type span struct{ start, end uint64 }

func (s span) has(addr uint64) bool { return s.start <= addr && addr < s.end }

// notTables are lists of addresses of functions that nothing calls by them: what
// can be traced, and what kprobes leave alone (include/asm-generic/vmlinux.lds.h,
// v6.12).
var notTables = []string{"mcount_loc", "kprobe_blacklist"}

// ParseSystemMap takes a System.map, which has the symbols that
// scripts/kallsyms.c is given, in the same order. The kernel prints the first
// of those at an address, after they are sorted as compare_symbols does
// (v6.12): no weak ones, none that a linker script may have made, few
// underscores. Symbols outside the text are left out, as without
// CONFIG_KALLSYMS_ALL; with it, the last function of a text is shorter.
func ParseSystemMap(data []byte) (*Kallsyms, error) {
	type entry struct {
		symbol
		rank [3]int
	}
	var all []entry
	marks := map[string]uint64{}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("parse System.map: %q is not ADDRESS TYPE NAME", line)
		}
		addr, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("parse System.map: %w", err)
		}
		name := f[2]
		marks[name] = addr
		e := entry{symbol: symbol{addr, name}}
		if f[1] == "w" || f[1] == "W" {
			e.rank[0] = 1
		}
		if provided(name) {
			e.rank[1] = 1
		}
		e.rank[2] = len(name) - len(strings.TrimLeft(name, "_"))
		all = append(all, e)
	}
	k := &Kallsyms{
		text:  [2]span{{marks["_stext"], marks["_etext"]}, {marks["_sinittext"], marks["_einittext"]}},
		start: marks["_text"],
	}
	if k.text[0].end == 0 {
		return nil, fmt.Errorf("parse System.map: no _etext")
	}
	for _, list := range notTables {
		k.lists = append(k.lists, span{marks["__start_"+list], marks["__stop_"+list]})
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), slices.Compare(a.rank[:], b.rank[:]))
	})
	k.named = map[string][]uint64{}
	for _, e := range all {
		if k.valid(e.symbol) {
			k.symbols = append(k.symbols, e.symbol)
			k.named[e.name] = append(k.named[e.name], e.addr)
		} else {
			k.data = append(k.data, e.symbol)
		}
	}
	return k, nil
}

// valid is symbol_valid of scripts/kallsyms.c, v6.12: the ends of a text count,
// but no other symbols there.
func (k *Kallsyms) valid(s symbol) bool {
	for i, end := range []string{"_etext", "_einittext"} {
		switch {
		case s.addr == k.text[i].end:
			return s.name == end
		case k.text[i].has(s.addr):
			return true
		}
	}
	return false
}

// provided is may_be_linker_script_provide_symbol of scripts/kallsyms.c, v6.12.
func provided(name string) bool {
	rest, ok := strings.CutPrefix(name, "__")
	if !ok || len(name) < 8 {
		return false
	}
	for _, p := range []string{"start_", "stop_", "end_"} {
		if strings.HasPrefix(rest, p) {
			return true
		}
	}
	return strings.HasSuffix(name, "_start") || strings.HasSuffix(name, "_end")
}

// Name is what %pS prints of an address (get_symbol_pos, kernel/kallsyms.c,
// v6.12), but for functions that share a name: these are numbered, as the file
// with the counters does (lib/ldlab/sites.c of series lab).
func (k *Kallsyms) Name(addr uint64) (string, bool) {
	s, end, ok := k.find(addr)
	if !ok {
		return "", false
	}
	number := ""
	if all := k.named[s.name]; len(all) > 1 {
		number = fmt.Sprintf(",%d", 1+slices.Index(all, s.addr))
	}
	return fmt.Sprintf("%s%s+%#x/%#x", s.name, number, addr-s.addr, end-s.addr), true
}

// find gives the function that an address is in, and where the next one begins.
func (k *Kallsyms) find(addr uint64) (s symbol, end uint64, ok bool) {
	if !k.text[0].has(addr) && !k.text[1].has(addr) {
		return symbol{}, 0, false
	}
	after, _ := slices.BinarySearchFunc(k.symbols, addr+1, func(s symbol, addr uint64) int { return cmp.Compare(s.addr, addr) })
	if after == 0 {
		return symbol{}, 0, false
	}
	first, _ := slices.BinarySearchFunc(k.symbols, k.symbols[after-1].addr, func(s symbol, addr uint64) int { return cmp.Compare(s.addr, addr) })
	if after < len(k.symbols) {
		end = k.symbols[after].addr
	} else if k.text[1].has(addr) {
		end = k.text[1].end
	} else {
		end = k.text[0].end
	}
	return k.symbols[first], end, true
}
