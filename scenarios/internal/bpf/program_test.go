//go:build !nobpf

package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
)

func TestBPFProgramsAssemble(t *testing.T) {
	for _, fn := range []asm.BuiltinFunc{asm.FnProbeRead, asm.FnProbeReadKernelStr, asm.FnProbeWriteUser} {
		var b bytes.Buffer
		if err := calling(fn).Marshal(&b, binary.LittleEndian); err != nil {
			t.Errorf("%s: %v", HelperName(fn), err)
		}
		if n := b.Len(); n == 0 || n%asm.InstructionSize != 0 {
			t.Errorf("%s: %d bytes of instructions", HelperName(fn), n)
		}
	}
	for name, prog := range map[string]asm.Instructions{"reading": reading(0xffffffff81000000), "casting": casting(0xffffffff81000000, 12345, 678)} {
		var b bytes.Buffer
		if err := prog.Marshal(&b, binary.LittleEndian); err != nil || b.Len()%asm.InstructionSize != 0 {
			t.Errorf("%s: %d bytes: %v", name, b.Len(), err)
		}
		// bpf_insn of the call: BPF_JMP|BPF_CALL, src BPF_PSEUDO_KFUNC_CALL, off 0, imm 12345.
		if call := []byte{0x85, 0x20, 0, 0, 0x39, 0x30, 0, 0}; name == "casting" && !bytes.Equal(b.Bytes()[24:32], call) {
			t.Errorf("casting calls % x, want % x", b.Bytes()[24:32], call)
		}
	}
	if got := HelperName(asm.FnProbeReadKernelStr); got != "bpf_probe_read_kernel_str" {
		t.Errorf("helper name is %s", got)
	}
}
