package scenarios

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/perf"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

// beforeOptions has the call sites of options in the point releases before they got
// a check of their own (6.12.107 has this one, 6.12.117 the other).
var beforeOptions = map[string]string{
	"trace.c:trace_array_options_get":        "kernel/trace/trace.c:tracing_check_open_get_tr",
	"trace.c:trace_array_tracer_options_get": "kernel/trace/trace.c:tracing_check_open_get_tr",
}

// notYet has what earlier kernels do not have.
var notYet = map[string][]Condition{
	"filter-addresses": {{Until: "6.5", Then: ThenAbsent, Source: "kernel/trace/ftrace.c, v6.1.187, has no ftrace_avail_addrs_open"}},
}

func init() { register("tracefs", tracefsScenario) }

// A file of tracefs is checked when it is opened, for any access mode, most of them in
// tracing_check_open_get_tr. One probe for each of the other checks follows, and the
// most useful of the rest. No probe opens free_buffer, because closing it discards the
// buffers.
//
// The checks of tracing_set_default_clock (kernel/trace/trace.c) and test_ringbuffer
// (ring_buffer.c) happen during boot. Their effect cannot be observed, because the
// files that would show it do not exist then.
func tracefsScenario() Scenario {
	s := Scenario{Name: "tracefs", Title: "follow the kernel's every step through tracefs"}
	const quiet = "events/sched/sched_kthread_stop/"
	uprobe := func(file, name string) tracefs.Use {
		return tracefs.ReadsDefined(file, "p:ldlab/"+name+" /proc/self/exe:0x1000", "-:ldlab/"+name, name)
	}
	kprobe := func(name string) tracefs.Use {
		return tracefs.ReadsDefined("kprobe_events", "p:ldlab/"+name+" "+tracefs.Probed, "-:ldlab/"+name, name)
	}
	for _, f := range []struct {
		name, file string
		flags      int
		site       string
		config     string // empty: CONFIG_TRACING
		use        tracefs.Use
	}{
		{"readme", "README", unix.O_RDONLY, "trace.c:tracing_check_open_get_tr", "", tracefs.Reads("tracing mini-HOWTO")},
		{"tracing-on", "tracing_on", unix.O_RDWR, "trace.c:tracing_check_open_get_tr", "", tracefs.Toggles("tracing_on")},
		{"trace", "trace", unix.O_RDONLY, "trace.c:tracing_check_open_get_tr", "", tracefs.Reads("# tracer: ")},
		{"trace-pipe", "trace_pipe", unix.O_RDONLY | unix.O_NONBLOCK, "trace.c:tracing_check_open_get_tr", "", tracefs.FindsMark},
		{"trace-pipe-raw", "per_cpu/cpu0/trace_pipe_raw", unix.O_RDONLY | unix.O_NONBLOCK, "trace.c:tracing_check_open_get_tr", "", tracefs.FindsMark},
		{"trace-marker", "trace_marker", unix.O_WRONLY, "trace.c:tracing_check_open_get_tr", "", tracefs.Marks},
		{"set-event", "set_event", unix.O_WRONLY, "trace.c:tracing_check_open_get_tr", "CONFIG_EVENT_TRACING", tracefs.SetsEvent},
		{"event-enable", quiet + "enable", unix.O_RDWR, "trace.c:tracing_check_open_get_tr", "CONFIG_EVENT_TRACING", tracefs.Toggles(quiet + "enable")},
		{"available-events", "available_events", unix.O_RDONLY, "trace_events.c:ftrace_event_open", "CONFIG_EVENT_TRACING", tracefs.ReadsEvent},
		{"event-trigger", quiet + "trigger", unix.O_RDWR, "trace_events_trigger.c:event_trigger_regex_open", "CONFIG_EVENT_TRACING", tracefs.SetsTrigger(quiet + "trigger")},
		{"tracer-option", "options/test_nop_accept", unix.O_RDONLY, "trace.c:trace_array_tracer_options_get", "", tracefs.Reads("0", "1")},
		{"printk-formats", "printk_formats", unix.O_RDONLY, "trace_printk.c:ftrace_formats_open", "", tracefs.ReadsSomething},
		{"dynamic-events", "dynamic_events", unix.O_RDONLY, "trace_dynevent.c:dyn_event_open", "CONFIG_DYNAMIC_EVENTS", uprobe("dynamic_events", "listed_dynamic")},
		{"kprobe-events", "kprobe_events", unix.O_RDONLY, "trace_kprobe.c:probes_open", "CONFIG_KPROBE_EVENTS", kprobe("listed_kprobe")},
		{"kprobe-profile", "kprobe_profile", unix.O_RDONLY, "trace_kprobe.c:profile_open", "CONFIG_KPROBE_EVENTS", kprobe("profiled_kprobe")},
		{"uprobe-events", "uprobe_events", unix.O_RDONLY, "trace_uprobe.c:probes_open", "CONFIG_UPROBE_EVENTS", uprobe("uprobe_events", "listed_uprobe")},
		{"uprobe-profile", "uprobe_profile", unix.O_RDONLY, "trace_uprobe.c:profile_open", "CONFIG_UPROBE_EVENTS", uprobe("uprobe_events", "profiled_uprobe")},
		{"synthetic-events", "synthetic_events", unix.O_RDONLY, "trace_events_synth.c:synth_events_open", "CONFIG_SYNTH_EVENTS",
			tracefs.ReadsDefined("synthetic_events", "ldlab_synthetic int a", "!ldlab_synthetic int a", "ldlab_synthetic")},
		{"filter-functions", "available_filter_functions", unix.O_RDONLY, "ftrace.c:ftrace_avail_open", "CONFIG_DYNAMIC_FTRACE", tracefs.ReadsSomething},
		{"filter-addresses", "available_filter_functions_addrs", unix.O_RDONLY, "ftrace.c:ftrace_avail_addrs_open", "CONFIG_DYNAMIC_FTRACE", tracefs.ReadsSomething},
		{"graph-function", "set_graph_function", unix.O_RDONLY, "ftrace.c:__ftrace_graph_open", "CONFIG_FUNCTION_GRAPH_TRACER", tracefs.ReadsSomething},
		{"function-profile", "trace_stat/function0", unix.O_RDONLY, "trace_stat.c:tracing_stat_open", "CONFIG_FUNCTION_PROFILER", tracefs.ReadsSomething},
		{"stack-trace", "stack_trace", unix.O_RDONLY, "trace_stack.c:stack_trace_open", "CONFIG_STACK_TRACER", tracefs.ReadsSomething},
		{"option", "options/overwrite", unix.O_RDWR, "trace.c:trace_array_options_get", "", tracefs.Toggles("options/overwrite")},
	} {
		if f.config == "" {
			f.config = "CONFIG_TRACING"
		}
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{Name: f.name, Call: observe.OpenCall(filepath.Join(tracefs.Dir, f.file), f.flags), Reason: "tracefs"},
			Where: Where{Site: "kernel/trace/" + f.site, Instead: beforeOptions[f.site], Needs: []string{f.config}, AbsentIfLockedAtBoot: true, Conditions: notYet[f.name]},
			Act: Act{
				Do:   func(context.Context, Env) Report { return tracefs.Open(f.file, f.flags, f.config, f.use) },
				More: func(context.Context, Env) []Variant { return tracefs.Opens(f.file, f.flags) },
			},
		})
	}
	needs := []string{"CONFIG_TRACING"}
	s.Probes = append(s.Probes,
		Probe{
			Claim: Claim{Name: "instance", Call: fmt.Sprintf("mkdir(%q)", tracefs.Dir+"/instances/ldlab"), Reason: "tracefs"},
			Where: Where{Site: "fs/tracefs/inode.c:tracefs_create_dir", Needs: needs, AbsentIfLockedAtBoot: true},
			Act:   Act{Do: func(context.Context, Env) Report { return tracefs.MakeInstance() }},
		},
		Probe{
			// In a machine without the sweep, which would find the files, too.
			Claim:    Claim{Name: "instance-files", Call: observe.OpenCall(tracefs.Dir+"/instances/*/**", unix.O_RDONLY) + " of an instance from before the lock", Reason: "tracefs"},
			Where:    Where{Site: "kernel/trace/trace.c:tracing_check_open_get_tr", Needs: needs, AbsentIfLockedAtBoot: true},
			Schedule: Schedule{Machine: Held},
			Act:      Act{Setup: tracefs.KeepInstance},
		},
		Probe{
			Claim: Claim{Name: "files", Call: fmt.Sprintf("getdents(%q): any file", tracefs.Dir), Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:tracing_init_dentry", Needs: needs},
			Act:   Act{Do: func(context.Context, Env) Report { return tracefs.HasFiles() }},
		},
		Probe{
			Claim: Claim{Name: "automount", Call: fmt.Sprintf("lstat(%q)", debugfs.Dir+"/tracing"), Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:tracing_init_dentry", Needs: append(needs, "CONFIG_DEBUG_FS")},
			Act:   Act{Do: func(context.Context, Env) Report { return tracefs.Automount() }},
		},
		Probe{
			// If tracing was not initialised, no event is registered, so perf
			// finds no event id. After a lock at run time this is a gap, below.
			Claim: Claim{Name: "tracepoints", Call: perf.OpenCall("a tracepoint, PERF_SAMPLE_RAW"), Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:tracer_alloc_buffers", Needs: []string{"CONFIG_PERF_EVENTS", "CONFIG_EVENT_TRACING"}, Conditions: lateLSM},
			Act:   Act{Do: func(context.Context, Env) Report { return perf.OpenTracepoint() }},
		},
		Probe{
			// The tracer of mmiotrace is registered late in the boot. The other
			// tracers of the lab's kernels are not even tried if tracing was
			// not initialised.
			Claim: Claim{Name: "tracers", Call: `read("/sys/kernel/tracing/available_tracers"): mmiotrace`, Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:register_tracer", Only: []string{"x86_64"}, Needs: []string{"CONFIG_MMIOTRACE"}},
			Act:   Act{Do: func(context.Context, Env) Report { return tracefs.TracerOfBoot("mmiotrace") }},
		},
		Probe{
			// The act is one file, its variants are all of them.
			Claim: Claim{Name: "sweep", Call: observe.OpenCall(tracefs.Dir+"/**", unix.O_RDONLY), Reason: "tracefs"},
			Where: Where{Site: "kernel/trace/trace.c:tracing_check_open_get_tr", Needs: needs, AbsentIfLockedAtBoot: true},
			Act: Act{
				Do: func(context.Context, Env) Report {
					return tracefs.Open("README", unix.O_RDONLY, "CONFIG_TRACING", tracefs.Reads("tracing mini-HOWTO"))
				},
				More: func(context.Context, Env) []Variant { return tracefs.Sweep() },
			},
		},
		Probe{
			Claim: Claim{
				Name:   "unchecked-files",
				Call:   observe.OpenCall(tracefs.Dir+"/events/sched/sched_switch/format", unix.O_RDONLY) + ", and every other exception of the sweep",
				Expect: Gap,
				Class:  Bug,
				Reason: "tracefs",
				Source: "the open functions that scenarios/internal/tracefs/sweep.go:Exceptions lists check nothing, v6.12",
			},
			Where: Where{Site: "kernel/trace/trace_events.c:trace_format_open", Needs: needs, AbsentIfLockedAtBoot: true},
			Act:   Act{Do: func(context.Context, Env) Report { return tracefs.OpenUnchecked() }},
		},
		// Event format files stay readable after a lock at run time. A comment
		// in kernel/trace/trace_events.c:trace_format_open, v6.12, asks whether
		// they should.
		Probe{
			Claim: Claim{Name: "event-format", Call: fmt.Sprintf("read(%q)", tracefs.Dir+"/events/sched/sched_switch/format"), Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:tracing_init_dentry", Needs: []string{"CONFIG_EVENT_TRACING"}},
			Act: Act{Do: func(context.Context, Env) Report {
				return tracefs.Read("events/sched/sched_switch/format", "CONFIG_EVENT_TRACING")
			}},
		},
		Probe{
			Claim: Claim{Name: "event-id", Call: fmt.Sprintf("read(%q)", tracefs.Dir+"/events/sched/sched_switch/id"), Reason: "tracefs"},
			Where: Where{CheckedAtBoot: true, Site: "kernel/trace/trace.c:tracing_init_dentry", Needs: []string{"CONFIG_EVENT_TRACING", "CONFIG_PERF_EVENTS"}},
			Act: Act{Do: func(context.Context, Env) Report {
				return tracefs.Read("events/sched/sched_switch/id", "CONFIG_EVENT_TRACING")
			}},
		},
		Probe{
			Claim: Claim{
				Name:   "trace-before",
				Call:   observe.OpenCall(tracefs.Dir+"/per_cpu/cpu0/trace_pipe_raw", unix.O_RDONLY) + " and trace_marker before the lock, written and read after it",
				Expect: Gap,
				Class:  ByDesign,
				Reason: "tracefs",
				Source: "kernel/trace/trace.c:tracing_buffers_open and tracing_mark_open check, and no read or write after them, v6.12",
			},
			Where: Where{Site: "kernel/trace/trace.c:tracing_check_open_get_tr", Needs: needs, AbsentIfLockedAtBoot: true},
			Act:   Act{Setup: tracefs.MarkForLater},
		},
		Probe{
			Claim: Claim{
				Name:   "perf-tracepoint",
				Call:   perf.OpenCall("a tracepoint, PERF_SAMPLE_RAW"),
				Expect: Gap,
				Class:  Bug,
				Reason: "tracefs",
				Source: "kernel/trace/trace_event_perf.c:perf_trace_event_perm checks capabilities only, and the number of an event can be guessed, v6.12",
			},
			Where: Where{Site: "kernel/trace/trace_event_perf.c:perf_trace_init", AbsentIfLockedAtBoot: true, Needs: []string{"CONFIG_PERF_EVENTS", "CONFIG_EVENT_TRACING"}, Conditions: lateLSM},
			Act:   Act{Do: func(context.Context, Env) Report { return perf.OpenTracepoint() }},
		},
		Probe{
			Claim: Claim{Name: "readdir", Call: fmt.Sprintf("getdents(%q)", tracefs.Dir), Expect: Unchecked, Reason: "tracefs"},
			Where: Where{Site: "fs/libfs.c:dcache_readdir", Needs: needs},
			Act: Act{Do: func(context.Context, Env) Report {
				_, err := tracefs.Entries()
				return observe.UnavailableIf(observe.FromError(fmt.Sprintf("getdents(%q)", tracefs.Dir), err), "CONFIG_TRACING", unix.ENOENT)
			}},
		},
	)
	return s
}
