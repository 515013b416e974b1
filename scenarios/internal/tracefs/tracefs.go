// Package tracefs opens and reads the files of tracefs.
package tracefs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// DefineEvent writes the definition of an event and removes the event.
func DefineEvent(file, define, remove, config string) observe.Report {
	path := Dir + "/" + file
	return DeniedIfEmpty(observe.WithFile(path, unix.O_WRONLY, func(fd int) observe.Report {
		_, err := unix.Write(fd, []byte(define))
		if err == nil {
			if _, err := unix.Write(fd, []byte(remove)); err != nil {
				return observe.SetupFailed(fmt.Sprintf("write(%q, %q)", path, remove), err)
			}
		}
		return observe.FromError(fmt.Sprintf("write(%q, %q)", path, define), err)
	}), config)
}

const Dir = "/sys/kernel/tracing"

// If the kernel booted with tracefs locked, tracefs has no files, and ENOENT is
// the denial (fs/tracefs/inode.c:tracefs_create_file, v6.12). DeniedIfEmpty
// returns a denial if the mounted tracefs is empty; otherwise ENOENT means that
// the CONFIG symbol is off.
func DeniedIfEmpty(r observe.Report, config string) observe.Report {
	if r.Outcome != observe.Failed || r.Errno != unix.ErrnoName(unix.ENOENT) {
		return r
	}
	entries, err := Entries()
	switch {
	case err != nil:
		r.Outcome, r.Why = observe.Unavailable, "CONFIG_TRACING"
	case len(entries) == 0:
		r.Outcome, r.Why = observe.Denied, ""
		r.Call += ": tracefs is empty"
	case config == "CONFIG_EVENT_TRACING" && observe.Exists(filepath.Join(Dir, "set_event")) && !observe.Exists(filepath.Join(Dir, "events")):
		// The kernel creates this file and this directory together
		// (kernel/trace/trace_events.c:create_event_toplevel_files, v6.12).
		r.Outcome, r.Why = observe.Denied, ""
		r.Call += ": set_event exists, but not events/"
	default:
		r.Outcome, r.Why = observe.Unavailable, config
	}
	return r
}

// Entries lists the entries of tracefs; without a mounted tracefs it fails.
func Entries() ([]os.DirEntry, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(Dir, &st); err != nil {
		return nil, err
	}
	if st.Type != unix.TRACEFS_MAGIC {
		return nil, unix.ENOENT
	}
	return os.ReadDir(Dir)
}

// Open opens a file of tracefs and closes it.
func Open(file string, flags int, config string) observe.Report {
	return DeniedIfEmpty(observe.WithFile(filepath.Join(Dir, file), flags, nil), config)
}

// Read reads the beginning of a file of tracefs.
func Read(file, config string) observe.Report {
	path := filepath.Join(Dir, file)
	return DeniedIfEmpty(observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		_, err := unix.Read(fd, make([]byte, os.Getpagesize()))
		return observe.FromError(fmt.Sprintf("read(%q)", path), err)
	}), config)
}

// OpenForLater opens a file of tracefs now and reads it later.
func OpenForLater(file string) func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	return func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
		path := filepath.Join(Dir, file)
		fd, r := observe.Open(path, unix.O_RDONLY)
		if r.Outcome != observe.Allowed {
			return nil, DeniedIfEmpty(r, "CONFIG_TRACING")
		}
		return func(context.Context) observe.Report {
			defer unix.Close(fd)
			_, err := unix.Read(fd, make([]byte, os.Getpagesize()))
			return observe.FromError(fmt.Sprintf("read(%q opened before)", path), err)
		}, r
	}
}

// OpenOption opens a file of options/, whose open function turns every error
// into ENODEV (kernel/trace/trace.c:trace_options_open, v6.12).
func OpenOption(file string) observe.Report {
	r := Open(file, unix.O_RDONLY, "CONFIG_TRACING")
	if r.Outcome == observe.Failed && r.Errno == unix.ErrnoName(unix.ENODEV) {
		r.Outcome, r.Why = observe.Denied, ""
	}
	return r
}

// MakeInstance creates a tracing instance and removes it. A denial to create
// its directory is returned as EINVAL
// (kernel/trace/trace.c:trace_array_create_dir, v6.12).
func MakeInstance() observe.Report {
	path := filepath.Join(Dir, "instances/ldlab")
	call := fmt.Sprintf("mkdir(%q)", path)
	err := unix.Mkdir(path, 0o750)
	if err == nil {
		if err := unix.Rmdir(path); err != nil {
			return observe.SetupFailed(fmt.Sprintf("rmdir(%q)", path), err)
		}
	}
	r := DeniedIfEmpty(observe.FromError(call, err), "CONFIG_TRACING")
	if r.Outcome == observe.Failed && r.Errno == unix.ErrnoName(unix.EINVAL) {
		r.Outcome, r.Why = observe.Denied, ""
	}
	return r
}

// HasFiles checks whether the kernel created a file at boot; directories do not
// count.
func HasFiles() observe.Report {
	call := fmt.Sprintf("getdents(%q)", Dir)
	entries, err := Entries()
	r := observe.UnavailableIf(observe.FromError(call, err), "CONFIG_TRACING", unix.ENOENT)
	isFile := func(e os.DirEntry) bool { return e.Type().IsRegular() }
	if err == nil && !slices.ContainsFunc(entries, isFile) {
		r.Outcome, r.Call = observe.Denied, call+" = ok: tracefs has no file"
	}
	return r
}

// Automount checks for the directory in debugfs on which tracefs is mounted
// automatically. lstat does not mount it.
func Automount() observe.Report {
	const path = debugfs.Dir + "/tracing"
	_, err := os.Lstat(path)
	r := observe.UnavailableIf(observe.FromError(fmt.Sprintf("lstat(%q)", path), err), "CONFIG_DEBUG_FS", unix.ENOENT)
	if r.Outcome != observe.Unavailable || !observe.Exists(debugfs.Dir+"/clear_warn_once") {
		return r
	}
	if _, err := Entries(); err != nil {
		r.Why = "CONFIG_TRACING"
		return r
	}
	r.Outcome, r.Why = observe.Denied, ""
	return r
}

// TracersOfBoot searches the kernel's log for a tracer that lockdown denied
// (kernel/trace/trace.c:register_tracer, v6.12).
func TracersOfBoot() observe.Report {
	const call = "syslog(SYSLOG_ACTION_READ_ALL)"
	log, err := observe.KernelLog()
	if err != nil {
		return observe.SetupFailed(call, err)
	}
	for line := range strings.Lines(log) {
		if _, name, ok := strings.Cut(line, "Can not register tracer "); ok {
			return observe.Report{Outcome: observe.Denied, Call: fmt.Sprintf("%s: tracer %s", call, strings.TrimSpace(name))}
		}
	}
	return observe.Report{Outcome: observe.Allowed, Call: call + ": no tracer was refused"}
}
