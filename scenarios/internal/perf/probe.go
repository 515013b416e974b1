package perf

import (
	"bufio"
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

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

const (
	// Tracepoint ids: lower ones belong to the tracers
	// (kernel/trace/trace.h:enum trace_type, v6.12).
	firstEvent, lastEvent = 32, 4096

	// ProbedFunction is the function of the kprobe from before the lock: every
	// read(2) calls it.
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

// A probed is what a perf event of a probe names: a kernel function or the path of
// a file, or an address of the kernel, and an offset from it.
type probed struct {
	name   string // empty: the offset is an address
	offset uint64
	back   bool // when the function returns
}

func (t probed) String() string {
	switch {
	case t.name == "":
		return fmt.Sprintf("%#x", t.offset)
	case t.offset != 0:
		return fmt.Sprintf("%q+%d", t.name, t.offset)
	case t.back:
		return fmt.Sprintf("return of %q", t.name)
	}
	return fmt.Sprintf("%q", t.name)
}

// openProbe makes a perf event that is a probe, and counts its hits by this thread,
// or by every one on the first processor. Closing the descriptor removes the probe.
func openProbe(source, config string, to probed, all bool) (int, observe.Report) {
	kind, r := sourceType(source, config)
	if r.Outcome != observe.Allowed {
		return -1, r
	}
	name := append([]byte(to.name), 0)
	attr := &unix.PerfEventAttr{
		Type: kind, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Ext2: to.offset, // config2: probe_offset, kprobe_addr
	}
	if to.name != "" {
		attr.Ext1 = uint64(uintptr(unsafe.Pointer(&name[0]))) // config1: kprobe_func, uprobe_path
	}
	if to.back {
		attr.Config = 1 // kernel/events/core.c:PERF_PROBE_CONFIG_IS_RETPROBE, v6.12
	}
	open := open
	if all {
		open = openAll
	}
	fd, r := open(fmt.Sprintf("%s %s", source, to), attr)
	runtime.KeepAlive(name)
	return fd, r
}

// statFunction is the kernel function that statfs(2) of /proc calls in every kernel,
// through a pointer, so that no compiler puts it into its caller
// (fs/proc/inode.c:proc_sops, v6.12). No other probe leaves a kprobe there.
const statFunction = "simple_statfs"

// OpenKprobe probes a function, calls it, reads whether the probe was hit, and
// closes the probe. If the kernel refuses, the probe must not be there.
func OpenKprobe() observe.Report { return useKprobe(probed{name: statFunction}, false) }

// OpenKprobes probes the function in other ways.
func OpenKprobes() (list []observe.Variant) {
	list = []observe.Variant{
		useKprobe(probed{name: statFunction, back: true}, false).Vary("return"),
		useKprobe(probed{name: statFunction}, true).Vary("every thread"),
		// After what the compiler puts first: no instruction, or one of 4 or 5 bytes.
		useKprobe(probed{name: statFunction, offset: 4}, false).Vary("offset 4"),
		useKprobe(probed{name: statFunction, offset: 5}, false).Vary("offset 5"),
	}
	if at := address(statFunction); at != 0 {
		list = append(list, useKprobe(probed{offset: at}, false).Vary("by address"))
	}
	return list
}

// useKprobe probes statFunction.
func useKprobe(to probed, all bool) observe.Report {
	defer observe.OnFirstProcessor()()
	if has, _ := debugfs.HasKprobe(statFunction); has {
		return observe.Report{Outcome: observe.Failed, Call: "kprobe " + to.String(), Why: "the function has a kprobe already"}
	}
	fd, r := openProbe("kprobe", "CONFIG_KPROBE_EVENTS", to, all)
	if r.Outcome == observe.Unavailable {
		return r
	}
	if r.Outcome != observe.Allowed {
		has, known := debugfs.HasKprobe(statFunction)
		if !known {
			return r.Saw(false, "there is no descriptor, and no list of kprobes")
		}
		return r.Saw(has, fmt.Sprintf("%s in the list of kprobes: %t", statFunction, has))
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	_ = unix.Statfs("/proc", &st)
	var b [8]byte
	_, err := unix.Read(fd, b[:])
	hits := binary.LittleEndian.Uint64(b[:])
	return r.Saw(hits > 0, fmt.Sprintf("%s, %d hits", observe.CallText("read", err), hits))
}

// address is that of a function in /proc/kallsyms; 0 if it is not there.
func address(function string) (at uint64) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if hex, ok := strings.CutSuffix(s.Text(), " T "+function); ok {
			at, _ = strconv.ParseUint(hex, 16, 64)
			return at
		}
	}
	return 0
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
	fd, r := openProbe("uprobe", "CONFIG_UPROBE_EVENTS", probed{name: fmt.Sprintf("/proc/self/fd/%d", file)}, true)
	if r.Outcome == observe.Allowed {
		unix.Close(fd)
	}
	return r
}

// KprobeForLater probes a function now and later checks whether it is still
// probed.
func KprobeForLater() (func(context.Context) observe.Report, observe.Report) {
	fd, r := openProbe("kprobe", "CONFIG_KPROBE_EVENTS", probed{name: ProbedFunction}, true)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func(context.Context) observe.Report {
		defer unix.Close(fd)
		return onFirst(func() observe.Report { return countHits(fd) }) // the event is the first processor's
	}, r
}

// countHits reads the hits of the probed function twice. Each read is itself a
// hit.
func countHits(fd int) observe.Report {
	call := fmt.Sprintf("read(hits of %q probed before)", ProbedFunction)
	var hits [2]uint64
	for i := range hits {
		var b [8]byte
		if _, err := unix.Read(fd, b[:]); err != nil {
			return observe.FromError(call, err)
		}
		hits[i] = binary.LittleEndian.Uint64(b[:])
	}
	if hits[1] <= hits[0] {
		return observe.Report{Outcome: observe.Denied, Call: call + ": none"}
	}
	return observe.FromError(call, nil)
}
