package tracefs

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/sweep"
)

// An Exception is files of tracefs that a sound kernel opens after a lock at run
// time, because their open function checks nothing.
type Exception struct {
	Pattern string // of path.Match, in the top directory or an instance; "rv/**" is all below rv
	Source  string // file:function of the kernel, v6.12 if not said otherwise
}

// Exceptions are all of them. docs/sweeps.md has what each gives away.
var Exceptions = []Exception{
	{"events/*/*/format", "kernel/trace/trace_events.c:trace_format_open"},
	{"events/*/*/id", "kernel/trace/trace_events.c:ftrace_event_id_fops has no open function"},
	{"events/*/*/btf_ids", "kernel/trace/trace_events.c:ftrace_event_btf_ids_fops, v7.3, has no open function"},
	{"enabled_functions", "kernel/trace/ftrace.c:ftrace_enabled_open"},
	{"touched_functions", "kernel/trace/ftrace.c:ftrace_touched_open"},
	{"recursed_functions", "kernel/trace/trace_recursion_record.c:recursed_function_open"},
	{"hwlat_detector/mode", "kernel/trace/trace_hwlat.c:hwlat_mode_open"},
	{"osnoise/options", "kernel/trace/trace_osnoise.c:osnoise_options_open"},
	{"osnoise/per_cpu/*/timerlat_fd", "kernel/trace/trace_osnoise.c:timerlat_fd_open"},
	{"user_events_data", "kernel/trace/trace_events_user.c:user_events_open"},
	{"user_events_status", "kernel/trace/trace_events_user.c:user_status_open"},
	{"rv/**", "kernel/trace/rv/rv.c, rv_reactors.c: simple_open, and functions that check nothing"},
	{"remotes/**", "kernel/trace/trace_remote.c, from v7.0 on: none of its functions checks"},
}

// unchecked reports whether an exception has the file.
func unchecked(f sweep.File) bool {
	file := f.Path
	if rest, ok := strings.CutPrefix(file, "instances/"); ok {
		_, file, _ = strings.Cut(rest, "/")
	}
	for _, e := range Exceptions {
		if dir, ok := strings.CutSuffix(e.Pattern, "**"); ok && strings.HasPrefix(file, dir) {
			return true
		}
		if ok, _ := path.Match(e.Pattern, file); ok {
			return true
		}
	}
	return false
}

// acts reports whether a file does something when it is merely opened and closed.
func acts(file string) bool {
	switch path.Base(file) {
	case "free_buffer", // kernel/trace/trace.c:tracing_free_buffer_release, v6.12, frees the buffers
		"timerlat_fd": // kernel/trace/trace_osnoise.c:timerlat_fd_open, v6.12, takes the tracer's timer
		return true
	}
	return false
}

// tree is tracefs. The files of all events have the same modes, by name.
var tree = sweep.Tree{Dir: Dir, Skip: acts, SameMode: func(file string) string {
	if strings.HasPrefix(file, "events/") && strings.Count(file, "/") == 3 {
		return path.Base(file)
	}
	return ""
}}

// withoutEvents is tracefs with the events of one system only, which every kernel
// has.
var withoutEvents = sweep.Tree{Dir: Dir, SameMode: tree.SameMode, Skip: ofFewEvents}

// ofFewEvents reports whether a file is left out of withoutEvents.
func ofFewEvents(file string) bool {
	rest, event := strings.CutPrefix(file, "events/")
	system, _, _ := strings.Cut(rest, "/")
	return acts(file) || event && system != "sched"
}

// wholeEvents is up to how many events a sweep opens every file of each. A
// distribution's kernel has some 2000, each with the same seven files, and an
// emulated machine takes 50 us a file.
const wholeEvents = 600

// files lists the files of tracefs. Of more than wholeEvents events, it has each
// file of the first one of each system, and one file of each other: the first
// file of the first of them, the second file of the second, and so on.
func files() ([]sweep.File, error) {
	systems, err := os.ReadDir(path.Join(Dir, "events"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	total := 0
	for _, s := range systems {
		events, _ := os.ReadDir(path.Join(Dir, "events", s.Name()))
		total += len(events)
	}
	if total <= wholeEvents {
		return tree.Files()
	}
	var s sample
	t := tree
	t.Skip = func(file string) bool { return acts(file) || s.leaves(file) }
	list, err := t.Files()
	return append(list, s.files(list)...), err
}

// A sample chooses among the events. It holds for one walk, which goes through
// the events of a system one after the other.
type sample struct {
	system string
	others []string
}

// leaves reports whether a path is an event other than the first of its system.
func (s *sample) leaves(file string) bool {
	parts := strings.Split(file, "/")
	if len(parts) != 3 || parts[0] != "events" || parts[2] == "enable" || parts[2] == "filter" {
		return false
	}
	if s.system != parts[1] {
		s.system = parts[1]
		return false
	}
	s.others = append(s.others, file)
	return true
}

// files is one file of each event that was left out, by the names and modes of
// the files of the first event in the list.
func (s *sample) files(list []sweep.File) (one []sweep.File) {
	var of []sweep.File
	for _, f := range list {
		if event := path.Dir(f.Path); strings.Count(f.Path, "/") == 3 && strings.HasPrefix(f.Path, "events/") &&
			(len(of) == 0 || path.Dir(of[0].Path) == event) {
			of = append(of, f)
		}
	}
	for i, event := range s.others {
		if len(of) > 0 {
			f := of[i%len(of)]
			one = append(one, sweep.File{Path: path.Join(event, path.Base(f.Path)), Mode: f.Mode})
		}
	}
	return one
}

// alone are files that no other probe opens, each with an open function or a
// table of file operations of its own (v6.12). The sweep opens each of them in a
// variant of its own, too, so that a run shows that the file is there, that it
// opens with nothing locked, and that it is refused (kernels/callers.toml).
var alone = []string{
	"available_tracers", "buffer_percent", "buffer_size_kb", "buffer_subbuf_size_kb", "buffer_total_size_kb", "current_tracer",
	"error_log", "saved_cmdlines", "saved_cmdlines_size", "saved_tgids", "set_event_notrace_pid", "set_event_pid",
	"timestamp_mode", "trace_clock", "trace_marker_raw", "trace_options", "tracing_cpumask", "tracing_thresh",
	"events/enable", "events/header_event", "events/header_page", "events/sched/enable", "events/sched/filter",
	"events/sched/sched_kthread_stop/filter", "per_cpu/cpu0/stats",
	// Those of some configurations only.
	"dyn_ftrace_total_info", "function_profile_enabled", "max_graph_depth", "osnoise/cpus", "osnoise/period_us",
	"set_ftrace_notrace_pid", "set_ftrace_pid", "stack_max_size", "tracing_max_latency",
	"show_event_filters", "show_event_triggers", "syscall_user_buf_size", // 7.2 has them, and 6.12 does not
}

// Sweep opens every file that must be refused: for reading, and, if its mode has
// a bit for it, for writing.
func Sweep() []observe.Variant {
	list, err := files()
	if err != nil {
		return []observe.Variant{observe.SetupFailed(fmt.Sprintf("walk %q", Dir), err).Vary("every file")}
	}
	checked := func(f sweep.File) bool { return !unchecked(f) }
	writable := func(f sweep.File) bool { return f.Writable() && checked(f) }
	variants := []observe.Variant{
		tree.Open(list, unix.O_RDONLY, sweep.Named, checked).Vary("every file, O_RDONLY"),
		tree.Open(list, unix.O_WRONLY, sweep.Named, writable).Vary("every file with a mode for it, O_WRONLY"),
		tree.Open([]sweep.File{{Path: "trace"}}, unix.O_WRONLY|unix.O_TRUNC, sweep.Named, checked).Vary("trace, O_TRUNC"), // empties the buffers, which no probe needs
		tree.OpenElsewhere("tracefs", "README", unix.O_RDONLY).Vary("another mount"),
		tree.Open(list, unix.O_RDWR|unix.O_APPEND, sweep.Named, func(f sweep.File) bool { return f.Mode&0o600 == 0o600 && checked(f) }).
			Vary("every file with a mode for both, O_RDWR|O_APPEND"),
		tree.OpenBound("README", unix.O_RDONLY).Vary("a bind mount of the file"),
	}
	for _, file := range alone {
		if slices.ContainsFunc(list, func(f sweep.File) bool { return f.Path == file }) {
			variants = append(variants, tree.Open([]sweep.File{{Path: file}}, unix.O_RDONLY, 1, checked).Vary(file))
		}
	}
	return variants
}

// OpenUnchecked opens the files of the exceptions, of one event only. The act is
// allowed if one of them opens; the report names them.
func OpenUnchecked() observe.Report {
	list, err := withoutEvents.Files()
	if err != nil {
		return observe.SetupFailed(fmt.Sprintf("walk %q", Dir), err)
	}
	if len(list) == 0 {
		return DeniedIfEmpty(observe.FromError(fmt.Sprintf("getdents(%q)", Dir), unix.ENOENT), "CONFIG_TRACING").Saw(false, "there is no file")
	}
	return tree.Open(list, unix.O_RDONLY, 40, func(f sweep.File) bool {
		return unchecked(f) && (!strings.HasPrefix(f.Path, "events/") || strings.HasPrefix(f.Path, "events/sched/sched_switch/"))
	})
}
