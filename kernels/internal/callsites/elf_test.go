package callsites

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil/elftest"
)

// A code writes instructions of a machine.
type code struct {
	machine elf.Machine
	kind    uint32                                  // relocation of a call
	slot    int                                     // bytes from the start of a function to the end of its call
	at      int64                                   // where in a call the relocation is, from its end
	call    func(disp int64, tail bool) []byte      // with the displacement from the end of the call
	decoy   func(disp func(end int64) int64) []byte // bytes that look like a call, and how far from the end of those the callee is
}

var codes = map[string]code{
	"x86_64": {
		machine: elf.EM_X86_64, kind: uint32(elf.R_X86_64_PLT32), slot: 5, at: -4,
		call: func(disp int64, tail bool) []byte {
			op := byte(0xe8)
			if tail {
				op = 0xe9
			}
			return binary.LittleEndian.AppendUint32([]byte{op}, uint32(disp))
		},
		// mov $imm64,%rax with a call in the number
		decoy: func(disp func(int64) int64) []byte {
			return append(binary.LittleEndian.AppendUint32([]byte{0x48, 0xb8, 0xe8}, uint32(disp(7))), 0, 0, 0)
		},
	},
	"arm64": {
		machine: elf.EM_AARCH64, kind: uint32(elf.R_AARCH64_CALL26), slot: 4, at: -4,
		call: func(disp int64, tail bool) []byte {
			op := uint32(0x94000000)
			if tail {
				op = 0x14000000
			}
			return binary.LittleEndian.AppendUint32(nil, op|uint32((disp+4)/4)&0x03ffffff)
		},
		// nop, then a constant among the code
		decoy: func(disp func(int64) int64) []byte {
			b := binary.LittleEndian.AppendUint32(nil, 0xd503201f)
			return binary.LittleEndian.AppendUint32(b, 0x94000000|uint32((disp(8)+4)/4)&0x03ffffff)
		},
	},
}

// A function of a made-up kernel is 32 bytes long and may call the callee.
type function struct {
	name string
	does string // "call", "jump", "decoy" or nothing
}

const functionSize, textAddr = 32, 0xffffffff81000000

// kernel links functions, after the callee: vmlinux, vmlinux.o, System.map. The
// Nth function, from 1, stands in file N.c and calls in line 10*N.
func (c code) kernel(functions ...function) (linked, object elftest.File, systemMap string) {
	linked = elftest.File{Machine: c.machine, Type: elf.ET_EXEC}
	object = elftest.File{Machine: c.machine, Type: elf.ET_REL}
	text := make([]byte, functionSize)
	object.Symbols = []elftest.Symbol{{Name: callee, Type: elf.STT_FUNC, Section: 1, Size: functionSize}}
	systemMap = fmt.Sprintf("%x T _stext\n%x T %s\n", uint64(textAddr), uint64(textAddr), callee)
	var relocs []elftest.Reloc
	var words []uint64
	names := []byte("LOCKDOWN_KEXEC\x00")
	const rodata = textAddr + 0x10000
	for i, f := range functions {
		at := int64(len(text))
		body := make([]byte, functionSize)
		switch f.does {
		case "call", "jump":
			end := at + int64(c.slot)
			copy(body, c.call(-end, f.does == "jump"))
			relocs = append(relocs, elftest.Reloc{Offset: uint64(end + c.at), Kind: c.kind, Symbol: 1, Addend: c.addend()})
			file := uint64(len(names))
			names = fmt.Appendf(names, "%d.c\x00", i+1)
			words = append(words, textAddr+uint64(end)+1, rodata+file, rodata+file, rodata, uint64(10*(i+1)))
		case "decoy":
			copy(body, c.decoy(func(end int64) int64 { return -(at + end) }))
		}
		text = append(text, body...)
		object.Symbols = append(object.Symbols, elftest.Symbol{Name: f.name, Type: elf.STT_FUNC, Section: 1, Value: uint64(at), Size: functionSize})
		systemMap += fmt.Sprintf("%x t %s\n", textAddr+uint64(at), f.name)
	}
	systemMap += fmt.Sprintf("%x T _etext\n", textAddr+uint64(len(text)))
	object.Sections = []elftest.Section{{Name: ".text", Flags: elftest.Text, Align: 16, Data: text, Relocs: relocs}}
	linked.Sections = []elftest.Section{
		{Name: ".text", Flags: elftest.Text, Addr: textAddr, Align: 16, Data: bytes.Clone(text)},
		{Name: ".rodata", Flags: elf.SHF_ALLOC, Addr: rodata, Data: names},
		{Name: recordSection, Data: elftest.Words(words...)},
	}
	for _, s := range object.Symbols {
		s.Value += textAddr
		linked.Symbols = append(linked.Symbols, s)
	}
	return linked, object, systemMap
}

func (c code) addend() int64 {
	if c.machine == elf.EM_X86_64 {
		return -4
	}
	return 0
}

func write(t *testing.T, name string, f elftest.File) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, f.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func writeBytes(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
