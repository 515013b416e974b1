package callsites

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil/elftest"
	"github.com/ldlab/ldlab/lockdown"
)

// A body is the code of a function of 16 bytes, at an address.
type body func(at uint64, target func(string) uint64) []byte

// wrapperKernel is a kernel whose function site is reached in every way there is.
var wrapperKernel = []struct {
	name string
	x86  body
	arm  body
}{
	{"site", nil, nil},
	{"wrapper.isra.0", x86Call("site"), armBranch("site", true)},
	{"opened", x86Jump("wrapper.isra.0"), armBranch("wrapper.isra.0", false)}, // in two tables
	{"near", x86Short("opened"), armConditional("opened")},                    // a jump within the reach of one byte
	{"taken", x86Call("wrapper.isra.0"), armBranch("wrapper.isra.0", true)},   // its address is taken
	{"taker", x86Load("taken"), armLoad("taken")},                             // and no caller
	{"__do_sys_thing", x86Call("site"), armBranch("site", true)},              // a system call
	{"__x64_sys_thing", x86Call("__do_sys_thing"), armBranch("__do_sys_thing", true)},
	{"__arm64_compat_sys_thing", x86Call("site"), armBranch("site", true)},
	{"decoy", x86Decoy("site"), nil}, // the bytes of a call in a number
	{"idle", nil, nil},
	{"starter", x86Call("wrapper.isra.0"), armBranch("wrapper.isra.0", true)}, // in .init.text
	{"earlier", x86Call("starter"), armBranch("starter", true)},
}

func x86Rel(op string, name string) body {
	return func(at uint64, target func(string) uint64) []byte {
		end := at + uint64(len(op)) + 4
		return binary.LittleEndian.AppendUint32([]byte(op), uint32(target(name)-end))
	}
}

func x86Call(name string) body { return x86Rel("\xe8", name) }
func x86Jump(name string) body { return x86Rel("\xe9", name) }

func x86Short(name string) body {
	return func(at uint64, target func(string) uint64) []byte { return []byte{0xeb, byte(target(name) - at - 2)} }
}

func x86Load(name string) body {
	return func(_ uint64, target func(string) uint64) []byte {
		return binary.LittleEndian.AppendUint32([]byte("\x48\xc7\xc7"), uint32(target(name)))
	}
}

func x86Decoy(name string) body {
	return func(at uint64, target func(string) uint64) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte("\x48\xb8\xe8"), uint32(target(name)-at-7)), 0, 0, 0)
	}
}

func armWord(word func(at, target uint64) uint32, name string) body {
	return func(at uint64, target func(string) uint64) []byte {
		return binary.LittleEndian.AppendUint32(nil, word(at, target(name)))
	}
}

func armBranch(name string, link bool) body {
	return armWord(func(at, target uint64) uint32 {
		word := 0x14000000 | uint32((target-at)/4)&0x3ffffff
		if link {
			word |= 1 << 31
		}
		return word
	}, name)
}

func armConditional(name string) body {
	return armWord(func(at, target uint64) uint32 { return 0x54000001 | uint32((target-at)/4)&0x7ffff<<5 }, name)
}

func armLoad(name string) body {
	return func(at uint64, target func(string) uint64) []byte {
		pages := uint32((target(name)>>12 - at>>12))
		code := binary.LittleEndian.AppendUint32(nil, 0x90000000|pages&3<<29|pages>>2&0x7ffff<<5|3)
		return binary.LittleEndian.AppendUint32(code, 0x91000000|uint32(target(name)&0xfff)<<10|3<<5|1)
	}
}

// makeImage links wrapperKernel, and returns its System.map.
func makeImage(t *testing.T, machine elf.Machine) (*Image, *Kallsyms) {
	const size, initAddr, dataAddr = 16, textAddr + 0x10000, textAddr + 0x20000
	addrs := map[string]uint64{}
	var list strings.Builder
	fmt.Fprintf(&list, "%x T _text\n%x T _stext\n", uint64(textAddr), uint64(textAddr))
	text, initText := make([]byte, 0x800), make([]byte, 0x100)
	place := func(i int) uint64 {
		if name := wrapperKernel[i].name; name == "starter" || name == "earlier" {
			return initAddr + uint64(i*size)
		}
		return textAddr + uint64(i*size)
	}
	for i, f := range wrapperKernel {
		addrs[f.name] = place(i)
	}
	for i, f := range wrapperKernel {
		make := f.x86
		fill := byte(0x90)
		if machine == elf.EM_AARCH64 {
			make, fill = f.arm, 0
		}
		at, code := place(i), text[i*size:][:size]
		if at >= initAddr {
			code = initText[i*size:][:size]
		}
		for j := range code {
			code[j] = fill
		}
		if make != nil {
			copy(code, make(at, func(name string) uint64 { return addrs[name] }))
		}
		fmt.Fprintf(&list, "%x t %s\n", at, f.name)
	}
	data := elftest.Words(0, addrs["opened"], 7, addrs["opened"], addrs["wrapper.isra.0"], addrs["opened"], addrs["opened"], addrs["opened"])
	fmt.Fprintf(&list, "%x T _etext\n%x T _sinittext\n%x T _einittext\n", uint64(textAddr)+uint64(len(text)), uint64(initAddr), uint64(initAddr)+uint64(len(initText)))
	fmt.Fprintf(&list, "%x d one_fops\n%x d two_fops.3\n%x d __start_kprobe_blacklist\n%x d _kbl_addr_wrapper\n%x d __stop_kprobe_blacklist\n"+
		"%x d __start_mcount_loc\n%x d __stop_mcount_loc\n%x d tail_fops\n",
		uint64(dataAddr), uint64(dataAddr)+16, uint64(dataAddr)+32, uint64(dataAddr)+32, uint64(dataAddr)+40,
		uint64(dataAddr)+40, uint64(dataAddr)+48, uint64(dataAddr)+48)
	names, err := ParseSystemMap([]byte(list.String()))
	if err != nil {
		t.Fatal(err)
	}
	image, err := ReadImage(write(t, "image", elftest.File{Machine: machine, Type: elf.ET_EXEC, Sections: []elftest.Section{
		{Name: ".text", Flags: elftest.Text, Addr: textAddr, Data: text},
		{Name: ".init.text", Flags: elftest.Text, Addr: initAddr, Data: initText},
		{Name: ".data", Flags: elf.SHF_ALLOC, Addr: dataAddr, Data: data},
	}}), names)
	if err != nil {
		t.Fatal(err)
	}
	return image, names
}

func TestCallers(t *testing.T) {
	for _, machine := range []elf.Machine{elf.EM_X86_64, elf.EM_AARCH64} {
		image, _ := makeImage(t, machine)
		sites := []lockdown.Site{
			{Name: "site+0x4/0x10", File: "a.c", Function: "site"},
			{Name: "starter+0x4/0x10", File: "a.c", Function: "boots"},
			{Name: "idle+0x4/0x10", File: "a.c", Function: "inlined"},
			{Name: "init+0x1/0x2 [m]", Module: "m", File: "m.c", Function: "init"},
		}
		got, err := Callers(image, sites)
		if err != nil {
			t.Fatal(err)
		}
		want := "a.c:boots boot 1, a.c:inlined idle 1, a.c:site boot 1, a.c:site compat_sys_thing 1, a.c:site near 1, a.c:site one_fops:opened 1, " +
			"a.c:site sys_thing 1, a.c:site tail_fops:opened 2, a.c:site taken 1, a.c:site two_fops:opened 1"
		var list []string
		for _, c := range got {
			list = append(list, fmt.Sprintf("%s %s %d", c.Site, c.Name, c.Times))
		}
		if text := strings.Join(list, ", "); text != want {
			t.Errorf("%v: %s\nwant %s", machine, text, want)
		}
		if _, err := Callers(image, []lockdown.Site{{Name: "none+0x1/0x2", File: "a.c", Function: "f"}}); err == nil {
			t.Errorf("%v: a site in no function was found", machine)
		}
	}
}

// An Image of arm64 has no sections.
func TestReadImage(t *testing.T) {
	_, names := makeImage(t, elf.EM_AARCH64)
	raw := make([]byte, 128)
	copy(raw[arm64MagicAt:], arm64Magic)
	m, err := ReadImage(writeBytes(t, raw), names)
	if err != nil || len(m.bytes(textAddr, textAddr+8)) != 8 || len(m.bytes(textAddr+120, textAddr+200)) != 8 || m.bytes(textAddr+128, textAddr+200) != nil {
		t.Errorf("%+v, %v", m, err)
	}
	for _, junk := range [][]byte{nil, []byte("junk"), elftest.File{Machine: elf.EM_RISCV, Type: elf.ET_EXEC}.Bytes()} {
		if _, err := ReadImage(writeBytes(t, junk), names); err == nil {
			t.Errorf("%.20q was read", junk)
		}
	}
}
