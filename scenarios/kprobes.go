package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

func init() { register("kprobes", kprobesScenario) }

// A probe asks when it is registered, whoever made it: perf, which asks for
// nothing else, or tracefs, whose files can be refused before. Modules put
// probes where they like, and uprobes are no kprobes.
func kprobesScenario() Scenario {
	const site = "kernel/trace/trace_kprobe.c:__register_trace_kprobe"
	perf := []string{"CONFIG_KPROBE_EVENTS", "CONFIG_PERF_EVENTS"}
	masks := []Shadow{{Reason: "tracefs", Why: "the file does not open", AbsentIfLockedAtBoot: true}}
	return Scenario{
		Name:  "kprobes",
		Title: "break into any function of the kernel",
		Probes: []Probe{
			{
				Name: "perf", Call: perfAct(fmt.Sprintf("kprobe %q", probedFunction)),
				Reason: "kprobes", Site: site, Needs: perf,
				Act: func(context.Context, Env) Result { return perfKprobe() },
			},
			{
				Name: "events-file", Call: fmt.Sprintf("write(%q, %q)", tracefs+"/kprobe_events", "p:ldlab/kprobe "+probedFunction),
				Reason: "kprobes", Site: site, Needs: []string{"CONFIG_KPROBE_EVENTS"}, ShadowedBy: masks,
				Act: func(context.Context, Env) Result {
					return dynamicEvent("kprobe_events", "p:ldlab/kprobe "+probedFunction, "-:ldlab/kprobe", "CONFIG_KPROBE_EVENTS")
				},
			},
			{
				Name: "fprobe", Call: fmt.Sprintf("write(%q, %q)", tracefs+"/dynamic_events", "f:ldlab/fprobe "+probedFunction),
				Reason: "kprobes", Site: "kernel/trace/trace_fprobe.c:__register_trace_fprobe",
				Needs: []string{"CONFIG_FPROBE_EVENTS"}, ShadowedBy: masks,
				Act: func(context.Context, Env) Result {
					r := dynamicEvent("dynamic_events", "f:ldlab/fprobe "+probedFunction, "-:ldlab/fprobe", "CONFIG_DYNAMIC_EVENTS")
					return absent(r, "CONFIG_FPROBE_EVENTS", unix.EINVAL) // no such kind of event
				},
			},
			{
				Name: "perf-before", Call: perfAct(fmt.Sprintf("kprobe %q", probedFunction)) + " before the lock, hits read after it",
				Reason: "kprobes", Site: site, Needs: perf, Expect: Gap,
				Source: "kernel/trace/trace_kprobe.c:__register_trace_kprobe asks once, and nothing unregisters a probe, v6.12",
				Setup:  func(context.Context, Env) (func(context.Context) Result, Result) { return perfKprobeEarly() },
			},
			{
				Name: "uprobe", Call: perfAct("uprobe of a file of its own"), Expect: Unchecked,
				Reason: "kprobes", Site: "kernel/trace/trace_uprobe.c:__register_trace_uprobe",
				Needs: []string{"CONFIG_UPROBE_EVENTS", "CONFIG_PERF_EVENTS"},
				Act:   func(context.Context, Env) Result { return perfUprobe() },
			},
			{
				Name: "list", Call: openAct(debugfs+"/kprobes/list", unix.O_RDONLY), Expect: Unchecked,
				// Mode 0400 and never written: debugfs lets it pass, too.
				Reason: "kprobes", Site: "kernel/kprobes.c:debugfs_kprobe_init", Needs: []string{"CONFIG_KPROBES", "CONFIG_DEBUG_FS"},
				Act: func(context.Context, Env) Result {
					return absent(with(debugfs+"/kprobes/list", unix.O_RDONLY, nil), "CONFIG_KPROBES", unix.ENOENT)
				},
			},
		},
	}
}

// dynamicEvent writes the definition of an event, and takes it back.
func dynamicEvent(file, define, remove, config string) Result {
	path := tracefs + "/" + file
	return traced(with(path, unix.O_WRONLY, func(fd int) Result {
		_, err := unix.Write(fd, []byte(define))
		if err == nil {
			if _, err := unix.Write(fd, []byte(remove)); err != nil {
				return failed(fmt.Sprintf("write(%q, %q)", path, remove), err)
			}
		}
		return judge(fmt.Sprintf("write(%q, %q)", path, define), err)
	}), config)
}
