package perf

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

const (
	// Tracepoint ids: lower ones belong to the tracers
	// (kernel/trace/trace.h:enum trace_type, v6.12).
	firstEvent, lastEvent = 32, 4096

	// ProbedFunction is the kprobes' function: every read(2) calls it.
	ProbedFunction = "vfs_read"

	eventSources = "/sys/bus/event_source/devices"
)

// OpenTracepoint opens the first tracepoint that exists, with the data that it
// records. It tries ids, because names may be hidden. If the kernel booted with
// tracefs locked, perf finds no tracepoint, because tracing was not initialised
// (kernel/trace/trace.c:tracer_alloc_buffers, v6.12).
func OpenTracepoint() (r observe.Report) {
	attr := EveryOccurrence(0, unix.PERF_SAMPLE_RAW)
	attr.Type = unix.PERF_TYPE_TRACEPOINT
	for attr.Config = firstEvent; attr.Config < lastEvent; attr.Config++ {
		var fd int
		if fd, r = openAll(fmt.Sprintf("tracepoint %d, PERF_SAMPLE_RAW", attr.Config), attr); r.Outcome == observe.Allowed {
			unix.Close(fd)
		}
		if r.Errno != unix.ErrnoName(unix.EINVAL) { // no event has this id, or perf cannot use it
			return r
		}
	}
	if entries, err := tracefs.Entries(); err == nil && len(entries) == 0 {
		r.Outcome, r.Why = observe.Denied, ""
		r.Call += ", as for all before it"
	}
	return r
}

// sourceType returns the event type of a perf event source, and whether the
// source exists.
func sourceType(name, config string) (uint32, observe.Report) {
	path := filepath.Join(eventSources, name, "type")
	text, err := os.ReadFile(path)
	r := observe.UnavailableIf(observe.FromError(fmt.Sprintf("read(%q)", path), err), config, unix.ENOENT)
	if err != nil {
		return 0, r
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, observe.SetupFailed(fmt.Sprintf("parse %q", path), err)
	}
	return uint32(n), r
}

// openProbe makes a perf event that is a probe on a kernel function or on the
// beginning of a file, and counts its hits. Closing the descriptor removes the
// probe.
func openProbe(source, config, target string) (int, observe.Report) {
	kind, r := sourceType(source, config)
	if r.Outcome != observe.Allowed {
		return -1, r
	}
	name := append([]byte(target), 0)
	attr := &unix.PerfEventAttr{
		Type: kind, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Ext1: uint64(uintptr(unsafe.Pointer(&name[0]))), // config1: kprobe_func, uprobe_path
	}
	fd, r := openAll(fmt.Sprintf("%s %q", source, target), attr)
	runtime.KeepAlive(name)
	return fd, r
}

// OpenKprobe probes a function and closes the probe.
func OpenKprobe() observe.Report {
	fd, r := openProbe("kprobe", "CONFIG_KPROBE_EVENTS", ProbedFunction)
	if r.Outcome == observe.Allowed {
		unix.Close(fd)
	}
	return r
}

// OpenUprobe probes a file of its own, which nothing executes.
func OpenUprobe() observe.Report {
	file, err := unix.MemfdCreate("ldlab", unix.MFD_CLOEXEC)
	if err != nil {
		return observe.SetupFailed(`memfd_create("ldlab")`, err)
	}
	defer unix.Close(file)
	if err := unix.Ftruncate(file, int64(os.Getpagesize())); err != nil {
		return observe.SetupFailed("ftruncate", err)
	}
	fd, r := openProbe("uprobe", "CONFIG_UPROBE_EVENTS", fmt.Sprintf("/proc/self/fd/%d", file))
	if r.Outcome == observe.Allowed {
		unix.Close(fd)
	}
	return r
}

// KprobeForLater probes a function now and later checks whether it is still
// probed.
func KprobeForLater() (func(context.Context) observe.Report, observe.Report) {
	fd, r := openProbe("kprobe", "CONFIG_KPROBE_EVENTS", ProbedFunction)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func(context.Context) observe.Report {
		defer unix.Close(fd)
		call := fmt.Sprintf("read(hits of %q probed before)", ProbedFunction)
		var hits [2]uint64
		for i := range hits {
			var b [8]byte
			if _, err := unix.Read(fd, b[:]); err != nil { // this read is itself a hit
				return observe.FromError(call, err)
			}
			hits[i] = binary.LittleEndian.Uint64(b[:])
		}
		if hits[1] <= hits[0] {
			return observe.Report{Outcome: observe.Denied, Call: call + ": none"}
		}
		return observe.FromError(call, nil)
	}, r
}
