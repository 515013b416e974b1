//go:build !nobpf

package bpf

import (
	"encoding/binary"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// typeNames are the program types that the probes use, as bpf(2) names them.
var typeNames = map[ebpf.ProgramType]string{
	ebpf.RawTracepoint: "raw_tracepoint", ebpf.Kprobe: "kprobe", ebpf.TracePoint: "tracepoint", ebpf.PerfEvent: "perf_event",
	ebpf.Syscall: "syscall", ebpf.SocketFilter: "socket_filter", ebpf.SchedCLS: "sched_cls", ebpf.SchedACT: "sched_act", ebpf.XDP: "xdp",
	ebpf.LWTIn: "lwt_in", ebpf.LWTOut: "lwt_out", ebpf.LWTXmit: "lwt_xmit", ebpf.SkSKB: "sk_skb", ebpf.SkMsg: "sk_msg",
	ebpf.SockOps: "sock_ops", ebpf.SkReuseport: "sk_reuseport",
	ebpf.SkLookup: "sk_lookup", ebpf.FlowDissector: "flow_dissector", ebpf.LWTSeg6Local: "lwt_seg6local", ebpf.RawTracepointWritable: "raw_tracepoint_writable",
}

// TypeName is the name of a program type in bpf(2).
func TypeName(typ ebpf.ProgramType) string { return typeNames[typ] }

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

// What a program returns that reads; a negative error of the helper otherwise.
const (
	readRight   = 1 // the helper read what is there
	refusedRead = 2 // the helper refused, and read what is there all the same
	readWrong   = 3 // the helper accepted, and read something else
)

// onStack stores bytes on the program's stack, below the frame pointer at the
// offset, which is a multiple of 8.
func onStack(offset int16, b []byte) (code asm.Instructions) {
	b = append(b, make([]byte, -len(b)&7)...)
	for i := 0; i < len(b); i += 8 {
		code = append(code,
			asm.LoadImm(asm.R0, int64(binary.LittleEndian.Uint64(b[i:])), asm.DWord),
			asm.StoreMem(asm.RFP, offset+int16(i), asm.R0, asm.DWord))
	}
	return code
}

// reading is a program that calls a helper of the probe_read family: size bytes
// to the stack. It compares the last ones with what is there. The source is user
// memory at the address, or if that is 0, kernel memory: the program's own
// stack, which has the pattern.
func reading(fn asm.BuiltinFunc, pattern []byte, address uint64) asm.Instructions {
	size := len(pattern)
	room := int16((size + 7) &^ 7)
	code := append(onStack(-2*room, pattern), onStack(-room, make([]byte, size))...)
	source := asm.Instructions{asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -2*int32(room))}
	if address != 0 {
		source = asm.Instructions{asm.LoadImm(asm.R3, int64(address), asm.DWord)}
	}
	code = append(append(code, source...),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, -int32(room)),
		asm.Mov.Imm(asm.R2, int32(size)),
		fn.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
	)
	// The last 4 bytes, or the only one. A string's last byte is 0.
	at, want := -room, int32(pattern[0])
	load := asm.LoadMem(asm.R0, asm.RFP, at, asm.Byte)
	if size >= 4 {
		at += int16(size) - 4
		want = int32(binary.LittleEndian.Uint32(pattern[size-4:]))
		load = asm.LoadMem(asm.R0, asm.RFP, at, asm.Word)
	}
	return append(code,
		load,
		asm.JNE.Imm(asm.R0, want, "wrong"),
		asm.Mov.Imm(asm.R0, readRight),
		asm.JSGE.Imm(asm.R6, 0, "exit"),
		asm.Mov.Imm(asm.R0, refusedRead),
		asm.Ja.Label("exit"),
		asm.Mov.Reg(asm.R0, asm.R6).WithSymbol("wrong"),
		asm.JSLT.Imm(asm.R6, 0, "exit"),
		asm.Mov.Imm(asm.R0, readWrong),
		asm.Return().WithSymbol("exit"),
	)
}

// writing is a program that writes the pattern to user memory at the address.
func writing(pattern []byte, address uint64) asm.Instructions {
	room := int16((len(pattern) + 7) &^ 7)
	return append(onStack(-room, pattern),
		asm.LoadImm(asm.R1, int64(address), asm.DWord),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -int32(room)),
		asm.Mov.Imm(asm.R3, int32(len(pattern))),
		asm.FnProbeWriteUser.Call(),
		asm.JSLT.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R0, readRight),
		asm.Return().WithSymbol("exit"),
	)
}

// known is a pattern of which a program can compare the last 4 bytes: as a
// number of 32 bits they are positive. A string ends with a 0.
func known(size int, text bool) []byte {
	b := ownpage.Pattern(make([]byte, size))
	switch {
	case text:
		b[size-1] = 0
	case size >= 4:
		b[size-1] &= 0x7f
	}
	return b
}

// isString reports whether what a helper reads is a string.
func isString(fn asm.BuiltinFunc) bool {
	return fn == asm.FnProbeReadStr || fn == asm.FnProbeReadKernelStr || fn == asm.FnProbeReadUserStr
}

// UseMap makes a map and uses it.
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
