package callsites

import (
	"debug/elf"
	"fmt"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil/elftest"
)

// module has a call in each of three sections; .init.text is another region,
// and .text.unlikely comes after .text in memory.
func module(c code) elftest.File {
	body := func(at int) []byte { return append(c.call(0, false), make([]byte, at)...) }
	reloc := []elftest.Reloc{{Offset: uint64(int64(c.slot) + c.at), Kind: c.kind, Symbol: 1, Addend: c.addend()}}
	first := body(20 - c.slot) // 20 bytes: the next section begins at 32
	f := elftest.File{Machine: c.machine, Type: elf.ET_REL, Sections: []elftest.Section{
		{Name: ".text", Flags: elftest.Text, Align: 16, Data: first, Relocs: reloc},
		{Name: ".init.text", Flags: elftest.Text, Align: 16, Data: body(0), Relocs: reloc},
		{Name: ".text.unlikely", Flags: elftest.Text, Align: 16, Data: body(0), Relocs: reloc},
		{Name: ".rodata", Flags: elf.SHF_ALLOC, Data: []byte("m.c\x00go\x00LOCKDOWN_MSR\x00")},
	}}
	f.Symbols = []elftest.Symbol{
		{Name: callee},
		{Name: "", Type: elf.STT_SECTION, Section: 4},
		{Name: "$x", Section: 1},
		{Name: "go", Type: elf.STT_FUNC, Section: 1},
		{Name: "alias", Type: elf.STT_FUNC, Section: 1},
		{Name: "init", Type: elf.STT_FUNC, Section: 2},
		{Name: "init_module", Type: elf.STT_FUNC, Section: 2},
		{Name: "cold", Type: elf.STT_FUNC, Section: 3},
		{Name: "data", Type: elf.STT_OBJECT, Section: 4, Value: 1},
	}
	// The record of the call in .text.
	f.Sections = append(f.Sections, elftest.Section{Name: recordSection, Data: elftest.Words(0, 0, 0, 0, 7), Relocs: []elftest.Reloc{
		{Offset: 0, Symbol: 4, Addend: int64(c.slot)},
		{Offset: 8, Symbol: 2, Addend: 0},
		{Offset: 16, Symbol: 2, Addend: 4},
		{Offset: 24, Symbol: 2, Addend: 7},
	}})
	return f
}

func TestModule(t *testing.T) {
	for name, c := range codes {
		got, err := Module(write(t, "some-thing.ko", module(c)))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			fmt.Sprintf("cold+%#x/0xfe0 [some_thing]  0  false", c.slot),
			fmt.Sprintf("go+%#x/0x20 [some_thing] m.c:go 7 msr false", c.slot),
			fmt.Sprintf("init+%#x/0x1000 [some_thing]  0  false", c.slot),
		}
		if len(got) != len(want) {
			t.Fatalf("%s: found %+v", name, got)
		}
		for i, w := range want {
			if text(got[i]) != w || got[i].Module != "some_thing" {
				t.Errorf("%s: site %d is %q; want %q", name, i, text(got[i]), w)
			}
		}
	}
}

func TestModuleFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(f *elftest.File)
		want  string
	}{
		{"no symbol", func(f *elftest.File) { f.Symbols[5].Section, f.Symbols[6].Section = 4, 4 }, "no symbol before a call at .init.text+0x5"},
		{"no relocation", func(f *elftest.File) { f.Sections[4].Relocs = f.Sections[4].Relocs[1:] }, "no relocation at 0x0"},
		{"a wild relocation", func(f *elftest.File) { f.Sections[4].Relocs[0].Symbol = 99 }, "no symbol 99"},
		{"an undefined symbol", func(f *elftest.File) { f.Sections[4].Relocs[0].Symbol = 1 }, "is not in this file"},
		{"half a record", func(f *elftest.File) { f.Sections[4].Data = f.Sections[4].Data[8:] }, "of 32 bytes"},
	} {
		f := module(codes["x86_64"])
		c.spoil(&f)
		_, err := Module(write(t, "m.ko", f))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	if _, err := Module("/nonexistent/m.ko"); err == nil {
		t.Error("no file, and no error")
	}
	// Most modules ask for nothing.
	f := module(codes["x86_64"])
	f.Symbols[0].Name = "printk"
	if got, err := Module(write(t, "m.ko", f)); err != nil || len(got) != 0 {
		t.Errorf("found %+v, %v", got, err)
	}
}
