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

// Read reads the beginning of a file of tracefs.
func Read(file, config string) observe.Report {
	path := filepath.Join(Dir, file)
	return DeniedIfEmpty(observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		_, err := unix.Read(fd, make([]byte, os.Getpagesize()))
		return observe.FromError(fmt.Sprintf("read(%q)", path), err)
	}), config)
}

// MarkForLater opens the files that write a mark and that read it raw, and later
// does both. It does not hold the file trace open, because the buffers cannot be
// resized then (kernel/trace/ring_buffer.c:ring_buffer_resize, v6.12), which other
// probes make the kernel do.
func MarkForLater(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	raw, marker := filepath.Join(Dir, "per_cpu/cpu0/trace_pipe_raw"), filepath.Join(Dir, "trace_marker")
	fd, r := observe.Open(raw, unix.O_RDONLY|unix.O_NONBLOCK)
	if r.Outcome != observe.Allowed {
		return nil, DeniedIfEmpty(r, "CONFIG_TRACING").Saw(false, "the file is not open")
	}
	mfd, r := observe.Open(marker, unix.O_WRONLY)
	if r.Outcome != observe.Allowed {
		unix.Close(fd)
		return nil, r
	}
	return func(context.Context) observe.Report {
		defer unix.Close(fd)
		defer unix.Close(mfd)
		defer observe.OnFirstProcessor()()
		if _, err := unix.Write(mfd, []byte(mark())); err != nil {
			return observe.FromError(observe.WriteCall(marker, mark()), err)
		}
		found, look := finds(fd, mark())
		return observe.FromError(fmt.Sprintf("read(%q opened before)", raw), nil).Saw(found, look)
	}, r
}

// HasFiles looks for a file that the kernel created at boot, in any directory:
// directories do not count.
func HasFiles() observe.Report {
	call := fmt.Sprintf("getdents(%q)", Dir)
	_, err := Entries()
	r := observe.UnavailableIf(observe.FromError(call, err), "CONFIG_TRACING", unix.ENOENT)
	if r.Outcome != observe.Allowed {
		return r
	}
	files, err := withoutEvents.Files()
	if err != nil {
		return observe.SetupFailed(fmt.Sprintf("walk %q", Dir), err)
	}
	if len(files) == 0 {
		r.Outcome, r.Call = observe.Denied, call+" = ok: tracefs has no file"
		return r.Saw(false, "there is no file")
	}
	return r.Saw(true, fmt.Sprintf("there is %q", files[0].Path))
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

// TracerOfBoot looks for a tracer among those that registered at boot. If lockdown
// refused it, the kernel logs that (kernel/trace/trace.c:register_tracer, v6.12),
// and there is no list. A lock at run time refuses the list, but not the tracer:
// then only the log is left.
func TracerOfBoot(name string) observe.Report {
	const file = Dir + "/available_tracers"
	text, r := observe.ReadText(file)
	if r.Outcome == observe.Allowed {
		if slices.Contains(strings.Fields(text), name) {
			return r.Saw(true, fmt.Sprintf("it has %q", name))
		}
		r.Outcome, r.Why = observe.Failed, fmt.Sprintf("%q has no %q", text, name)
		return r
	}
	log, err := observe.KernelLog()
	if err != nil {
		return observe.SetupFailed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	line := "Can not register tracer " + name + " due to lockdown"
	switch logged := strings.Contains(log, line); {
	case logged:
		return observe.Report{Outcome: observe.Denied, Call: r.Call, Errno: r.Errno}.Saw(false, fmt.Sprintf("the kernel logged %q", line))
	case r.Outcome == observe.Denied:
		return observe.Report{Outcome: observe.Allowed, Call: "syslog(SYSLOG_ACTION_READ_ALL): no tracer was refused"}
	}
	return r
}
