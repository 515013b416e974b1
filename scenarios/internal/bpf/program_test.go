//go:build !nobpf

package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestBPFProgramsAssemble(t *testing.T) {
	for name, prog := range map[string]asm.Instructions{
		"reading": reading(asm.FnProbeReadKernel, known(8, false), 0), "reading a byte": reading(asm.FnProbeRead, known(1, false), 0),
		"reading text": reading(asm.FnProbeReadKernelStr, known(240, true), 0), "reading user memory": reading(asm.FnProbeReadUser, known(9, false), 0x7fff00001000),
		"writing": writing(known(240, false), 0x7fff00001000), "printing": printing(3, known(16, true)), "registers": copyingRegisters(3), "casting": casting(0xffffffff81000000, 12345, 678),
	} {
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

// TestKnown: a program compares 32 bits of a pattern as a positive number.
func TestKnown(t *testing.T) {
	for range 100 {
		if b := known(8, false); int32(binary.LittleEndian.Uint32(b[4:])) <= 0 || bytes.IndexByte(b, 0) >= 0 {
			t.Fatalf("number % x", b)
		}
		if b := known(8, true); b[7] != 0 || bytes.IndexByte(b, 0) != 7 || int32(binary.LittleEndian.Uint32(b[4:])) <= 0 {
			t.Fatalf("text % x", b)
		}
	}
}

func TestJudgeRun(t *testing.T) {
	for _, tt := range []struct {
		got  int32
		err  error
		want observe.Outcome
		done bool
	}{
		{readRight, nil, observe.Allowed, true}, {readWrong, nil, observe.Allowed, false}, {refusedRead, nil, observe.Denied, true},
		{-int32(unix.EPERM), nil, observe.Denied, false}, {-int32(unix.EFAULT), nil, observe.Failed, false}, {0, nil, observe.Failed, false},
		{0, unix.EPERM, observe.Failed, false}, {readRight, unix.EINVAL, observe.Failed, false},
	} {
		r, done := judgeRun("run", tt.got, tt.err)
		if r.Outcome != tt.want || done != tt.done || (r.Why != "") != (r.Outcome == observe.Failed) {
			t.Errorf("%d, %v: %+v, %v, want %s, %v", tt.got, tt.err, r, done, tt.want, tt.done)
		}
	}
}
