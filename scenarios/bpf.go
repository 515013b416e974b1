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
// bpf_probe_read_kernel_str. Since 6.16 these two are there for all programs (commit
// ee971630f20f; 6.12.107 and 7.2.8 were looked at). The verifier refuses a helper that
// was compiled out in the same way, hence the control and probe_read_user. The programs
// run, and compare what they read with what they know: the pattern on their own stack,
// which is kernel memory. What they write is a page of the process.
func bpfScenario() Scenario {
	const tracing, base = "kernel/trace/bpf_trace.c:bpf_tracing_func_proto", "kernel/bpf/helpers.c:bpf_base_func_proto"
	toBase := []Moved{{Since: "6.16", Site: base}}
	needs := []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS"}
	s := Scenario{Name: "bpf", Title: "read kernel memory and write user memory from BPF programs"}
	for _, h := range []struct {
		name   string
		fn     asm.BuiltinFunc
		typ    ebpf.ProgramType
		reason lockdown.Reason
		expect Expectation
		site   string
		moved  []Moved
	}{
		{"probe-read-kernel", asm.FnProbeReadKernel, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing, toBase},
		{"probe-read-kernel-str", asm.FnProbeReadKernelStr, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing, toBase},
		{"probe-read", asm.FnProbeRead, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing, nil},
		{"probe-read-str", asm.FnProbeReadStr, ebpf.RawTracepoint, "bpf_read_kernel", Checked, tracing, nil},
		{"probe-write-user", asm.FnProbeWriteUser, ebpf.RawTracepoint, "bpf_write_user", Checked, tracing, nil},
		{"probe-read-user", asm.FnProbeReadUser, ebpf.RawTracepoint, "bpf_read_kernel", Unchecked, tracing, nil},
		{"socket-read-kernel", asm.FnProbeReadKernel, ebpf.SocketFilter, "bpf_read_kernel", Checked, base, nil},
		{"socket-read-kernel-str", asm.FnProbeReadKernelStr, ebpf.SocketFilter, "bpf_read_kernel", Checked, base, nil},
		{"socket-read-user", asm.FnProbeReadUser, ebpf.SocketFilter, "bpf_read_kernel", Unchecked, base, nil},
	} {
		call := bpf.Call{Type: h.typ, Fn: h.fn}
		var more func(context.Context, Env) []Variant
		if h.expect == Checked {
			more = func(context.Context, Env) []Variant { return call.More() }
		}
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: h.name, Call: fmt.Sprintf("bpf(BPF_PROG_LOAD, %s calling %s), bpf(BPF_PROG_TEST_RUN)", bpf.TypeName(h.typ), bpf.HelperName(h.fn)), Reason: h.reason, Expect: h.expect},
			Where:    Where{Site: h.site, Moved: h.moved, Needs: needs},
			Schedule: Schedule{Lines: 2},
			// v6.12 checks once more when the verifier fixes the call up
			Act: Act{Do: func(context.Context, Env) Report { return call.Do() }, More: more},
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
			Class:  Bug,
			Source: "kernel/bpf/helpers.c:bpf_rdonly_cast, v6.12: a kfunc that makes a readable object of any address; lockdown does not check kfuncs",
			Reason: "bpf_read_kernel",
		},
		Where: Where{
			Site:       "kernel/bpf/helpers.c:bpf_rdonly_cast",
			Needs:      []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_BPF_JIT", "CONFIG_DEBUG_INFO_BTF", "CONFIG_KALLSYMS"},
			Conditions: []Condition{{Until: "6.2", Then: ThenAbsent, Source: "kernel/bpf/helpers.c, v6.1.187, has no bpf_rdonly_cast"}},
		},
		Act: Act{Do: func(context.Context, Env) Report { return bpf.CastAndRead() }},
	})
	for _, p := range []struct{ name, format string }{{"snprintf", "%s"}, {"snprintf-pks", "%pks"}} {
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{
				Name:   p.name,
				Call:   fmt.Sprintf("bpf(BPF_PROG_LOAD, raw_tracepoint calling bpf_snprintf(%q) of a kernel address), bpf(BPF_PROG_TEST_RUN)", p.format),
				Expect: Gap,
				Class:  Bug,
				Source: "kernel/bpf/helpers.c:bpf_base_func_proto, v6.12, gives bpf_snprintf to every program; bpf_bprintf_prepare reads the string with strncpy_from_kernel_nofault and does not check",
				Reason: "bpf_read_kernel",
			},
			Where: Where{Site: "kernel/bpf/helpers.c:bpf_bprintf_prepare", Needs: needs},
			Act:   Act{Do: func(context.Context, Env) Report { return bpf.Print(p.format) }},
		})
	}
	for _, p := range []struct{ name, format string }{{"trace-printk", "%s"}, {"trace-printk-pks", "%pks"}} {
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{
				Name:       p.name,
				Call:       fmt.Sprintf("bpf(BPF_PROG_LOAD, raw_tracepoint calling bpf_trace_printk(%q) of a kernel address), bpf(BPF_PROG_TEST_RUN), read trace_pipe", p.format),
				Expect:     Gap,
				Class:      Bug,
				ShadowedBy: []Shadow{{Reason: "tracefs", Why: "trace_pipe does not open", AbsentIfLockedAtBoot: true}},
				Source:     "kernel/bpf/helpers.c:bpf_base_func_proto, v6.12, gives bpf_trace_printk to every program; bpf_bprintf_prepare reads the string with strncpy_from_kernel_nofault and does not check",
				Reason:     "bpf_read_kernel",
			},
			Where: Where{Site: "kernel/bpf/helpers.c:bpf_bprintf_prepare", Needs: needs},
			Act:   Act{Do: func(context.Context, Env) Report { return bpf.Trace(p.format) }},
		})
	}
	s.Probes = append(s.Probes, Probe{
		Claim: Claim{
			Name:   "perf-event-regs",
			Call:   "bpf(BPF_PROG_LOAD, perf_event that copies its registers), a page fault in the kernel",
			Expect: Gap,
			Class:  Bug,
			Source: "kernel/events/core.c:bpf_overflow_handler, v6.12, gives a program the registers of the interrupted kernel; perf_event_open checks PERF_SAMPLE_REGS_INTR alone",
			Reason: "perf",
		},
		Where: Where{Site: "kernel/events/core.c:bpf_overflow_handler", Needs: append(needs[:2:2], "CONFIG_PERF_EVENTS")},
		Act:   Act{Do: func(context.Context, Env) Report { return bpf.KernelRegisters() }},
	})
	return s
}
