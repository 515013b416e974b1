//go:build !nobpf

package scenarios

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/bpf"
)

func init() { register("bpf", bpfScenario) }

// A denied helper vanishes: the verifier looks it up, finds none, and refuses the
// program with EINVAL. For programs that trace the check is in
// kernel/trace/bpf_trace.c:bpf_tracing_func_proto, v6.12; for all others it is in
// kernel/bpf/helpers.c:bpf_base_func_proto, which only has bpf_probe_read_kernel and
// bpf_probe_read_kernel_str. The verifier refuses a helper that was compiled out in
// the same way, hence the control and probe_read_user.
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
			Claim:    Claim{Name: h.name, Call: fmt.Sprintf("bpf(BPF_PROG_LOAD, %s calling %s)", bpf.TypeName(h.typ), bpf.HelperName(h.fn)), Reason: h.reason, Expect: h.expect},
			Where:    Where{Site: h.site, Needs: needs},
			Schedule: Schedule{Lines: 2},
			// v6.12 checks once more when the verifier fixes the call up
			Act: Act{Do: func(context.Context, Env) Report { return bpf.LoadCalling(h.typ, h.fn) }},
		})
	}
	s.Probes = append(s.Probes, Probe{
		Claim: Claim{Name: "map", Call: "bpf(BPF_MAP_CREATE, array), update, lookup", Expect: Unchecked, Reason: "bpf_read_kernel"},
		Where: Where{Site: "kernel/bpf/syscall.c:map_create", Needs: needs[:1]},
		Act:   Act{Do: func(context.Context, Env) Report { return bpf.UseMap() }},
	})
	s.Probes = append(s.Probes, Probe{
		Claim: Claim{
			Name:   "rdonly-cast",
			Call:   "bpf(BPF_PROG_LOAD, raw_tracepoint calling bpf_rdonly_cast), load through it",
			Expect: Gap,
			Source: "kernel/bpf/helpers.c:bpf_rdonly_cast, v6.12: a kfunc that makes a readable object of any address; lockdown does not check kfuncs",
			Reason: "bpf_read_kernel",
		},
		Where: Where{
			Site:  "kernel/bpf/helpers.c:bpf_rdonly_cast",
			Needs: []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_BPF_JIT", "CONFIG_DEBUG_INFO_BTF", "CONFIG_KALLSYMS"},
		},
		Act: Act{Do: func(context.Context, Env) Report { return bpf.CastAndRead() }},
	})
	return s
}
