package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

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

// traceDirectory looks whether the kernel made any file at boot.
func traceDirectory() Result {
	act := fmt.Sprintf("getdents(%q)", tracefs)
	entries, err := traceEntries()
	r := absent(judge(act, err), "CONFIG_TRACING", unix.ENOENT)
	if err == nil && len(entries) == 0 {
		r.Outcome, r.Call = Denied, act+" = ok: tracefs is empty"
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
