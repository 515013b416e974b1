//go:build !nobpf

package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

func init() { register("bpf", bpfScenario) }

// A denied helper vanishes: the verifier asks for it, gets none, and refuses
// the program with EINVAL. Programs that trace ask in
// kernel/trace/bpf_trace.c:bpf_tracing_func_proto, v6.12, all others in
// kernel/bpf/helpers.c:bpf_base_func_proto, which has bpf_probe_read_kernel and
// its brother only. The verifier says the same of a helper that was compiled
// out, hence the control and probe_read_user.
func bpfScenario() Scenario {
	const tracing, base = "kernel/trace/bpf_trace.c:bpf_tracing_func_proto", "kernel/bpf/helpers.c:bpf_base_func_proto"
	needs := []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS"}
	s := Scenario{Name: "bpf", Title: "read kernel memory and write user memory from BPF programs"}
	for _, h := range []struct {
		name   string
		fn     asm.BuiltinFunc
		typ    ebpf.ProgramType
		reason lockdown.Reason
		expect Expectation
		site   string
	}{
		{"probe-read-kernel", asm.FnProbeReadKernel, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing},
		{"probe-read-kernel-str", asm.FnProbeReadKernelStr, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing},
		{"probe-read", asm.FnProbeRead, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing},
		{"probe-read-str", asm.FnProbeReadStr, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing},
		{"probe-write-user", asm.FnProbeWriteUser, ebpf.RawTracepoint, "bpf_write_user", Checked, tracing},
		{"probe-read-user", asm.FnProbeReadUser, ebpf.RawTracepoint, "bpf_read_kernel", Unchecked, tracing},
		{"socket-read-kernel", asm.FnProbeReadKernel, ebpf.SocketFilter, "bpf_read_kernel", Checked, base},
		{"socket-read-kernel-str", asm.FnProbeReadKernelStr, ebpf.SocketFilter, "bpf_read_kernel", Checked, base},
		{"socket-read-user", asm.FnProbeReadUser, ebpf.SocketFilter, "bpf_read_kernel", Unchecked, base},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: h.name, Call: fmt.Sprintf("bpf(BPF_PROG_LOAD, %s calling %s)", progName(h.typ), helperName(h.fn)),
			Reason: h.reason, Expect: h.expect, Site: h.site, Needs: needs,
			Lines: 2, // 6.12 asks once more when the verifier fixes the call up
			Act:   func(context.Context, Env) Result { return loadCalling(h.typ, h.fn) },
		})
	}
	s.Probes = append(s.Probes, Probe{
		Name: "map", Call: "bpf(BPF_MAP_CREATE, array), update, lookup", Expect: Unchecked,
		Reason: "bpf_read_kernel", Site: "kernel/bpf/syscall.c:map_create", Needs: needs[:1],
		Act: func(context.Context, Env) Result { return useMap() },
	})
	s.Probes = append(s.Probes, Probe{
		Name: "rdonly-cast", Call: "bpf(BPF_PROG_LOAD, raw_tracepoint calling bpf_rdonly_cast), load through it", Expect: Gap,
		Source: "kernel/bpf/helpers.c:bpf_rdonly_cast, v6.12: a kfunc that makes a readable object of any address; kfuncs are not asked for",
		Reason: "bpf_read_kernel", Site: "kernel/bpf/helpers.c:bpf_rdonly_cast",
		Needs: []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_BPF_JIT", "CONFIG_DEBUG_INFO_BTF", "CONFIG_KALLSYMS"},
		Act:   func(context.Context, Env) Result { return rdonlyCast() },
	})
	return s
}

// progName is a type of program as bpf(2) speaks of it.
func progName(typ ebpf.ProgramType) string {
	if typ == ebpf.SocketFilter {
		return "socket_filter"
	}
	return "raw_tracepoint"
}

// helperName is the helper as bpf-helpers(7) and the verifier name it.
func helperName(fn asm.BuiltinFunc) string {
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
	if fn == asm.FnProbeWriteUser { // its first argument is the address written to
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

func useMap() Result {
	const act = "bpf(BPF_MAP_CREATE, array)"
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return absent(judge(act, err), "CONFIG_BPF_SYSCALL", unix.ENOSYS)
	}
	defer m.Close()
	if err := m.Put(uint32(0), uint32(7)); err != nil {
		return judge("bpf(BPF_MAP_UPDATE_ELEM)", err)
	}
	var v uint32
	return judge("bpf(BPF_MAP_LOOKUP_ELEM)", m.Lookup(uint32(0), &v))
}
