// Package perf opens and samples events of perf_event_open(2).
package perf

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	perfRing      = 8 // pages of records behind the control page: a power of two
	perfSampleRec = 9 // PERF_RECORD_SAMPLE
	perfHeader    = 8 // struct perf_event_header: type, misc, size

	// PERF_RECORD_MISC_CPUMODE_MASK and _KERNEL: include/uapi/linux/perf_event.h, v6.12.
	perfModeMask, perfModeKernel = 7, 1
)

// EveryOccurrence is a software event that samples each occurrence and starts
// disabled. It needs no hardware counter, so every machine has it.
func EveryOccurrence(config, sample uint64) *unix.PerfEventAttr {
	return &unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: 1, Sample_type: sample, Bits: unix.PerfBitDisabled,
	}
}

// open opens an event of this thread. It includes the kernel: root is not bound
// by kernel.perf_event_paranoid.
func open(what string, attr *unix.PerfEventAttr) (int, observe.Report) {
	fd, err := unix.PerfEventOpen(attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	return fd, observe.UnavailableIf(observe.FromError(OpenCall(what), err), "CONFIG_PERF_EVENTS", unix.ENOSYS)
}

// openAll opens an event of all threads on the first processor.
func openAll(what string, attr *unix.PerfEventAttr) (int, observe.Report) {
	fd, err := unix.PerfEventOpen(attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	return fd, observe.UnavailableIf(observe.FromError(OpenAllCall(what), err), "CONFIG_PERF_EVENTS", unix.ENOSYS)
}

// OpenAllCall is perf_event_open(2) of all threads on the first processor.
func OpenAllCall(what string) string { return "perf_event_open(" + what + ", pid=-1, cpu=0)" }

// onFirst runs an act on the first processor.
func onFirst(act func() observe.Report) observe.Report {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, first unix.CPUSet
	first.Set(0)
	err := unix.SchedGetaffinity(0, &all)
	if err == nil {
		err = unix.SchedSetaffinity(0, &first)
	}
	if err != nil {
		return observe.SetupFailed("sched_setaffinity(0)", err)
	}
	defer unix.SchedSetaffinity(0, &all)
	return act()
}

// OpenCall is perf_event_open(2) as strace prints it.
func OpenCall(what string) string { return "perf_event_open(" + what + ", pid=0, cpu=-1)" }

// OpenAndClose opens an event and closes it.
func OpenAndClose(what string, attr *unix.PerfEventAttr) observe.Report {
	fd, r := open(what, attr)
	if r.Outcome == observe.Allowed {
		unix.Close(fd)
	}
	return r
}

// A record is a record of type PERF_RECORD_SAMPLE.
type record struct {
	kernel bool     // taken while the kernel ran
	words  []uint64 // the values that Sample_type selects, in its order
}

// A sampler is an event of this thread with its records mapped.
type sampler struct {
	call string
	fd   int
	m    []byte
}

// newSampler locks the goroutine to its thread until close.
func newSampler(what string, attr *unix.PerfEventAttr) (*sampler, observe.Report) {
	return newSamplerBy(open, what, attr)
}

func newSamplerBy(open func(string, *unix.PerfEventAttr) (int, observe.Report), what string, attr *unix.PerfEventAttr) (*sampler, observe.Report) {
	runtime.LockOSThread()
	fd, r := open(what, attr)
	if r.Outcome != observe.Allowed {
		runtime.UnlockOSThread()
		return nil, r
	}
	m, err := unix.Mmap(fd, 0, (1+perfRing)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		runtime.UnlockOSThread()
		unix.Close(fd)
		return nil, observe.SetupFailed("mmap of "+OpenCall(what), err)
	}
	return &sampler{OpenCall(what), fd, m}, r
}

func (s *sampler) close() {
	unix.Munmap(s.m)
	unix.Close(s.fd)
	runtime.UnlockOSThread()
}

// attempts bounds how often an event is provoked. It is in the records when the
// call that provokes it returns; the ring has room for so many.
const attempts = 20

// sample enables the event, provokes it, and searches for a matching sample. The
// report has a look at what was sampled. sample never empties the ring, which
// stops when it is full.
func (s *sampler) sample(ctx context.Context, what string, provoke func() (wanted func(record) bool)) observe.Report {
	if err := unix.IoctlSetInt(s.fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return observe.FromError("ioctl(PERF_EVENT_IOC_ENABLE) on "+s.call, err)
	}
	defer unix.IoctlSetInt(s.fd, unix.PERF_EVENT_IOC_DISABLE, 0)
	page := os.Getpagesize()
	head := (*uint64)(unsafe.Pointer(&s.m[unsafe.Offsetof(unix.PerfEventMmapPage{}.Data_head)]))
	r, seen := observe.Report{Outcome: observe.Allowed, Call: s.call}, 0
	for try := 0; try < attempts && ctx.Err() == nil; try++ {
		wanted := provoke()
		if wanted == nil {
			continue
		}
		n := min(atomic.LoadUint64(head), uint64(len(s.m)-page))
		samples := records(s.m[page : page+int(n)])
		for _, sample := range samples {
			if wanted(sample) {
				return r.Saw(true, "sampled "+what)
			}
		}
		seen = len(samples)
	}
	return r.Saw(false, fmt.Sprintf("none of %d samples is of %s", seen, what))
}

// records returns the samples in a ring that has not wrapped.
func records(ring []byte) (found []record) {
	for len(ring) >= perfHeader {
		kind, misc := binary.LittleEndian.Uint32(ring), binary.LittleEndian.Uint16(ring[4:])
		size := int(binary.LittleEndian.Uint16(ring[6:]))
		if size < perfHeader || size > len(ring) {
			break
		}
		if kind == perfSampleRec {
			s := record{kernel: misc&perfModeMask == perfModeKernel}
			for b := ring[perfHeader:size]; len(b) >= 8; b = b[8:] {
				s.words = append(s.words, binary.LittleEndian.Uint64(b))
			}
			found = append(found, s)
		}
		ring = ring[size:]
	}
	return found
}
