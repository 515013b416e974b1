//go:build !nobpf

package bpf

import (
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TypeName is the name of a program type in bpf(2).
func TypeName(typ ebpf.ProgramType) string {
	if typ == ebpf.SocketFilter {
		return "socket_filter"
	}
	return "raw_tracepoint"
}

// HelperName is the name of a helper in bpf-helpers(7) and in the verifier's
// log.
func HelperName(fn asm.BuiltinFunc) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(fn.String(), "Fn") {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return "bpf_" + b.String()
}

// calling is the smallest program that calls a helper of the probe_read and
// probe_write family: 8 bytes between the stack and address 0.
func calling(fn asm.BuiltinFunc) asm.Instructions {
	stack, other := asm.R1, asm.R3
	if fn == asm.FnProbeWriteUser { // the first argument is the address to write to
		stack, other = asm.R2, asm.R1
	}
	return asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		asm.Mov.Reg(stack, asm.RFP),
		asm.Add.Imm(stack, -8),
		asm.Mov.Imm(other, 0),
		asm.Mov.Imm(sizeArg(fn), 8),
		fn.Call(),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	}
}

func sizeArg(fn asm.BuiltinFunc) asm.Register {
	if fn == asm.FnProbeWriteUser {
		return asm.R3
	}
	return asm.R2
}

func UseMap() observe.Report {
	const call = "bpf(BPF_MAP_CREATE, array)"
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return observe.UnavailableIf(observe.FromError(call, err), "CONFIG_BPF_SYSCALL", unix.ENOSYS)
	}
	defer m.Close()
	if err := m.Put(uint32(0), uint32(7)); err != nil {
		return observe.FromError("bpf(BPF_MAP_UPDATE_ELEM)", err)
	}
	var v uint32
	return observe.FromError("bpf(BPF_MAP_LOOKUP_ELEM)", m.Lookup(uint32(0), &v))
}
