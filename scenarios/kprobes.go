package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/perf"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

func init() { register("kprobes", kprobesScenario) }

// A kprobe is checked when it is registered, whoever makes it: perf, which checks
// nothing else, or tracefs, whose files may be denied before that. Modules may
// register kprobes unchecked, and uprobes are no kprobes.
func kprobesScenario() Scenario {
	const site = "kernel/trace/trace_kprobe.c:__register_trace_kprobe"
	needsPerf := []string{"CONFIG_KPROBE_EVENTS", "CONFIG_PERF_EVENTS"}
	shadows := []Shadow{{Reason: "tracefs", Why: "the file does not open", AbsentIfLockedAtBoot: true}}
	return Scenario{
		Name:  "kprobes",
		Title: "break into any function of the kernel",
		Probes: []Probe{
			{
				Claim: Claim{Name: "perf", Call: perf.OpenCall(`kprobe "simple_statfs"`), Reason: "kprobes"},
				Where: Where{Site: site, Needs: needsPerf},
				Act: Act{
					Do:   func(context.Context, Env) Report { return perf.OpenKprobe() },
					More: func(context.Context, Env) []Variant { return perf.OpenKprobes() },
				},
			},
			{
				Claim: Claim{
					Name:       "events-file",
					Call:       observe.WriteCall(tracefs.Dir+"/kprobe_events", "p:ldlab/kprobe "+tracefs.Probed),
					Reason:     "kprobes",
					ShadowedBy: shadows,
				},
				Where: Where{Site: site, Needs: []string{"CONFIG_KPROBE_EVENTS"}},
				Act: Act{
					Do: func(context.Context, Env) Report {
						return tracefs.DefineEvent(tracefs.Event{File: "kprobe_events", Define: "p:ldlab/kprobe " + tracefs.Probed, Name: "ldlab/kprobe", Config: "CONFIG_KPROBE_EVENTS"})
					},
					More: func(context.Context, Env) []Variant { return tracefs.DefineKprobes() },
				},
			},
			{
				Claim: Claim{
					Name:       "fprobe",
					Call:       observe.WriteCall(tracefs.Dir+"/dynamic_events", "f:ldlab/fprobe "+tracefs.Probed),
					Reason:     "kprobes",
					ShadowedBy: shadows,
				},
				Where: Where{
					Site: "kernel/trace/trace_fprobe.c:__register_trace_fprobe", Needs: []string{"CONFIG_FPROBE_EVENTS"},
					Conditions: []Condition{{Until: "6.5", Then: ThenAbsent, Source: "kernel/trace, v6.1.187, has no trace_fprobe.c"}},
				},
				Act: Act{
					Do: func(context.Context, Env) Report { return tracefs.DefineFprobe("f:ldlab/fprobe " + tracefs.Probed) },
					More: func(context.Context, Env) []Variant {
						return []Variant{
							tracefs.DefineFprobe("f:ldlab/fprobe " + tracefs.Probed + "%return").Vary("a return"),
							tracefs.DefineFprobe("t:ldlab/fprobe sched_switch").Vary("a tracepoint"),
						}
					},
				},
			},
			{
				Claim: Claim{
					Name:   "perf-before",
					Call:   perf.OpenCall(fmt.Sprintf("kprobe %q", perf.ProbedFunction)) + " before the lock, hits read after it",
					Reason: "kprobes",
					Expect: Gap,
					Class:  ByDesign,
					Source: "kernel/trace/trace_kprobe.c:__register_trace_kprobe checks once, and nothing unregisters a probe, v6.12",
				},
				Where: Where{Site: site, Needs: needsPerf},
				Act: Act{Setup: func(context.Context, Env) (func(context.Context) Report, Report) {
					return perf.KprobeForLater()
				}},
			},
			{
				// An event probe breaks into nothing, but reads any address, as the
				// arguments of a kprobe do.
				Claim: Claim{
					Name:       "eprobe-memory",
					Call:       observe.WriteCall(tracefs.Dir+"/dynamic_events", tracefs.EventProbe()) + ", read trace_pipe",
					Reason:     "kprobes",
					Expect:     Gap,
					Class:      Bug,
					ShadowedBy: shadows,
					Source:     "kernel/trace/trace_probe.c:parse_probe_arg, v6.12, takes @ADDR in an event probe; kernel/trace/trace_eprobe.c:__trace_eprobe_create does not check",
				},
				Where: Where{Site: "kernel/trace/trace_eprobe.c:__trace_eprobe_create", Needs: []string{"CONFIG_PROBE_EVENTS"}, Since: "5.15"},
				Act:   Act{Do: func(context.Context, Env) Report { return tracefs.ReadByEventProbe() }},
			},
			{
				Claim: Claim{Name: "uprobe", Call: perf.OpenCall("uprobe of a file of its own"), Expect: Unchecked, Reason: "kprobes"},
				Where: Where{Site: "kernel/trace/trace_uprobe.c:__register_trace_uprobe", Needs: []string{"CONFIG_UPROBE_EVENTS", "CONFIG_PERF_EVENTS"}},
				Act:   Act{Do: func(context.Context, Env) Report { return perf.OpenUprobe() }},
			},
			{
				// Mode 0400 and never written: debugfs allows it, too.
				Claim: Claim{Name: "list", Call: observe.OpenCall(debugfs.Dir+"/kprobes/list", unix.O_RDONLY), Expect: Unchecked, Reason: "kprobes"},
				Where: Where{Site: "kernel/kprobes.c:debugfs_kprobe_init", Needs: []string{"CONFIG_KPROBES", "CONFIG_DEBUG_FS"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(observe.WithFile(debugfs.Dir+"/kprobes/list", unix.O_RDONLY, nil), "CONFIG_KPROBES", unix.ENOENT)
				}},
			},
		},
	}
}
