package tracefs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/sweep"
)

// MakeInstance creates a tracing instance, looks whether it is there, and removes
// it. A denial to create its directory is returned as EINVAL
// (kernel/trace/trace.c:trace_array_create_dir, v6.12).
func MakeInstance() observe.Report {
	path := filepath.Join(Dir, "instances/ldlab")
	if observe.Exists(path) {
		return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("lstat(%q) = ok", path), Why: "the instance exists already"}
	}
	err := unix.Mkdir(path, 0o750)
	r := DeniedIfEmpty(observe.FromError(fmt.Sprintf("mkdir(%q)", path), err), "CONFIG_TRACING")
	if r.Outcome == observe.Failed && r.Errno == unix.ErrnoName(unix.EINVAL) {
		r.Outcome, r.Why = observe.Denied, ""
	}
	var st unix.Stat_t
	is := unix.Lstat(path, &st)
	r = r.Saw(is == nil, observe.CallText(fmt.Sprintf("lstat(%q)", path), is))
	if is == nil {
		if err := unix.Rmdir(path); err != nil {
			r.Look += ", and stays: " + observe.CallText("rmdir", err)
		}
	}
	return r
}

// KeepInstance makes an instance and opens its files. Later it opens them again,
// and removes the instance, which lockdown does not refuse
// (kernel/trace/trace.c:instance_rmdir, v6.12).
func KeepInstance(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	path := filepath.Join(Dir, fmt.Sprintf("instances/ldlab-%d", os.Getpid()))
	call := fmt.Sprintf("mkdir(%q)", path)
	if r := DeniedIfEmpty(observe.FromError(call, unix.Mkdir(path, 0o750)), "CONFIG_TRACING"); r.Outcome != observe.Allowed {
		return nil, r.Saw(false, "there is no instance")
	}
	r := openInstance(path)
	if r.Outcome != observe.Allowed {
		_ = unix.Rmdir(path) // what it answers does not matter
		return nil, r
	}
	return func(context.Context) observe.Report {
		r := openInstance(path)
		if err := unix.Rmdir(path); err != nil {
			r.Look += ", and the instance stays: " + observe.CallText("rmdir", err)
		}
		return r
	}, r
}

// openInstance opens the files of an instance that must be refused, with one
// system's events: for reading, and, if the mode has a bit for it, for writing. The
// report is that of reading, unless writing is answered in another way.
func openInstance(dir string) observe.Report {
	t := sweep.Tree{Dir: dir, SameMode: tree.SameMode, Skip: ofFewEvents}
	list, err := t.Files()
	if err != nil {
		return observe.SetupFailed(fmt.Sprintf("walk %q", dir), err)
	}
	checked := func(f sweep.File) bool { return !unchecked(f) }
	r := t.Open(list, unix.O_RDONLY, sweep.Named, checked)
	w := t.Open(list, unix.O_WRONLY, sweep.Named, func(f sweep.File) bool { return f.Writable() && checked(f) })
	if w.Outcome != r.Outcome {
		return w
	}
	r.Look += "; O_WRONLY: " + w.Look
	return r
}
