package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const tracefs = "/sys/kernel/tracing"

// A kernel that boots with tracefs locked makes no file there, and ENOENT is
// the denial (fs/tracefs/inode.c:tracefs_create_file, v6.12). traced takes it
// for one where the mounted tracefs has nothing at all, and otherwise for a
// claim that the CONFIG symbol is off.
func traced(r Result, config string) Result {
	if r.Outcome != Failed || r.Errno != unix.ErrnoName(unix.ENOENT) {
		return r
	}
	entries, err := traceEntries()
	switch {
	case err != nil:
		r.Outcome, r.Why = Unavailable, "CONFIG_TRACING"
	case len(entries) == 0:
		r.Outcome, r.Why = Denied, ""
		r.Call += ": tracefs is empty"
	case config == "CONFIG_EVENT_TRACING" && exists(filepath.Join(tracefs, "set_event")) && !exists(filepath.Join(tracefs, "events")):
		// That file and that directory are made together
		// (kernel/trace/trace_events.c:create_event_toplevel_files, v6.12).
		r.Outcome, r.Why = Denied, ""
		r.Call += ": there are events, but no directory of them"
	default:
		r.Outcome, r.Why = Unavailable, config
	}
	return r
}

// traceEntries lists what is in tracefs; its mount point alone is no tracefs.
func traceEntries() ([]os.DirEntry, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(tracefs, &st); err != nil {
		return nil, err
	}
	if st.Type != unix.TRACEFS_MAGIC {
		return nil, unix.ENOENT
	}
	return os.ReadDir(tracefs)
}

// traceOpen opens a file of tracefs, and does no more.
func traceOpen(file string, flags int, config string) Result {
	return traced(with(filepath.Join(tracefs, file), flags, nil), config)
}

// traceRead reads the beginning of a file of tracefs.
func traceRead(file, config string) Result {
	path := filepath.Join(tracefs, file)
	return traced(with(path, unix.O_RDONLY, func(fd int) Result {
		_, err := unix.Read(fd, make([]byte, os.Getpagesize()))
		return judge(fmt.Sprintf("read(%q)", path), err)
	}), config)
}

// traceEarly opens a file of tracefs, and reads it later.
func traceEarly(file string) func(context.Context, Env) (func(context.Context) Result, Result) {
	return func(context.Context, Env) (func(context.Context) Result, Result) {
		path := filepath.Join(tracefs, file)
		fd, r := open(path, unix.O_RDONLY)
		if r.Outcome != Allowed {
			return nil, traced(r, "CONFIG_TRACING")
		}
		return func(context.Context) Result {
			defer unix.Close(fd)
			_, err := unix.Read(fd, make([]byte, os.Getpagesize()))
			return judge(fmt.Sprintf("read(%q opened before)", path), err)
		}, r
	}
}

// traceOption opens a file of options/ whose opener passes on no other error
// than ENODEV (kernel/trace/trace.c:trace_options_open, v6.12).
func traceOption(file string) Result {
	r := traceOpen(file, unix.O_RDONLY, "CONFIG_TRACING")
	if r.Outcome == Failed && r.Errno == unix.ErrnoName(unix.ENODEV) {
		r.Outcome, r.Why = Denied, ""
	}
	return r
}

// traceInstance makes a set of buffers of its own, and removes it. The refusal
// to make its directory comes out as EINVAL
// (kernel/trace/trace.c:trace_array_create_dir, v6.12).
func traceInstance() Result {
	path := filepath.Join(tracefs, "instances/ldlab")
	act := fmt.Sprintf("mkdir(%q)", path)
	err := unix.Mkdir(path, 0o750)
	if err == nil {
		if err := unix.Rmdir(path); err != nil {
			return failed(fmt.Sprintf("rmdir(%q)", path), err)
		}
	}
	r := traced(judge(act, err), "CONFIG_TRACING")
	if r.Outcome == Failed && r.Errno == unix.ErrnoName(unix.EINVAL) {
		r.Outcome, r.Why = Denied, ""
	}
	return r
}

// traceDirectory looks whether the kernel made any file at boot; directories
// are none.
func traceDirectory() Result {
	act := fmt.Sprintf("getdents(%q)", tracefs)
	entries, err := traceEntries()
	r := absent(judge(act, err), "CONFIG_TRACING", unix.ENOENT)
	isFile := func(e os.DirEntry) bool { return e.Type().IsRegular() }
	if err == nil && !slices.ContainsFunc(entries, isFile) {
		r.Outcome, r.Call = Denied, act+" = ok: tracefs has no file"
	}
	return r
}

// traceAutomount looks for the directory in debugfs on which tracefs is
// mounted by itself. A look does not mount it.
func traceAutomount() Result {
	const path = debugfs + "/tracing"
	_, err := os.Lstat(path)
	r := absent(judge(fmt.Sprintf("lstat(%q)", path), err), "CONFIG_DEBUG_FS", unix.ENOENT)
	if r.Outcome != Unavailable || !exists(debugfs+"/clear_warn_once") {
		return r
	}
	if _, err := traceEntries(); err != nil {
		r.Why = "CONFIG_TRACING"
		return r
	}
	r.Outcome, r.Why = Denied, ""
	return r
}

// tracerRefused looks in the kernel's log for a tracer that lockdown kept out
// (kernel/trace/trace.c:register_tracer, v6.12).
func tracerRefused() Result {
	const act = "syslog(SYSLOG_ACTION_READ_ALL)"
	log, err := kernelLog()
	if err != nil {
		return failed(act, err)
	}
	for line := range strings.Lines(log) {
		if _, said, ok := strings.Cut(line, "Can not register tracer "); ok {
			return Result{Outcome: Denied, Call: fmt.Sprintf("%s: tracer %s", act, strings.TrimSpace(said))}
		}
	}
	return Result{Outcome: Allowed, Call: act + ": no tracer was refused"}
}
