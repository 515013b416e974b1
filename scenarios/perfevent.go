package scenarios

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	perfRing      = 8 // pages of records behind the control page: a power of two
	perfSampleRec = 9 // PERF_RECORD_SAMPLE
	perfHeader    = 8 // struct perf_event_header: type, misc, size

	// PERF_RECORD_MISC_CPUMODE_MASK and _KERNEL: include/uapi/linux/perf_event.h, v6.12.
	perfModeMask, perfModeKernel = 7, 1
)

// perfEvery is an event of the kernel's own that samples each occurrence, off
// until it is switched on. No hardware counts it, so every machine has it.
func perfEvery(config, sample uint64) *unix.PerfEventAttr {
	return &unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: 1, Sample_type: sample, Bits: unix.PerfBitDisabled,
	}
}

// perfOpen opens an event on the first processor, for all that runs there. The
// kernel is included: root may, whatever kernel.perf_event_paranoid says.
func perfOpen(what string, attr *unix.PerfEventAttr) (int, Result) {
	fd, err := unix.PerfEventOpen(attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	return fd, absent(judge(perfAct(what), err), "CONFIG_PERF_EVENTS", unix.ENOSYS)
}

func perfAct(what string) string { return "perf_event_open(" + what + ", pid=-1, cpu=0)" }

// perfClosed opens an event and closes it.
func perfClosed(what string, attr *unix.PerfEventAttr) Result {
	fd, r := perfOpen(what, attr)
	if r.Outcome == Allowed {
		unix.Close(fd)
	}
	return r
}

// A perfSample is a record of type PERF_RECORD_SAMPLE.
type perfSample struct {
	kernel bool     // taken while the kernel ran
	words  []uint64 // what the event's Sample_type asks for, in its order
}

// A sampler is an event with its records mapped.
type sampler struct {
	act string
	fd  int
	m   []byte
}

func newSampler(what string, attr *unix.PerfEventAttr) (*sampler, Result) {
	fd, r := perfOpen(what, attr)
	if r.Outcome != Allowed {
		return nil, r
	}
	m, err := unix.Mmap(fd, 0, (1+perfRing)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, failed("mmap of "+perfAct(what), err)
	}
	return &sampler{perfAct(what), fd, m}, r
}

func (s *sampler) close() {
	unix.Munmap(s.m)
	unix.Close(s.fd)
}

// sampleTime is how long a sampler waits for what it looks for.
const sampleTime = 2 * time.Second

// sample switches the event on, provokes it, and looks for a sample that is
// wanted. The ring is never emptied: it stops where it is full.
func (s *sampler) sample(what string, provoke func(), wanted func(perfSample) bool) Result {
	if err := unix.IoctlSetInt(s.fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return judge("ioctl(PERF_EVENT_IOC_ENABLE) on "+s.act, err)
	}
	defer unix.IoctlSetInt(s.fd, unix.PERF_EVENT_IOC_DISABLE, 0)
	page := os.Getpagesize()
	head := (*uint64)(unsafe.Pointer(&s.m[unsafe.Offsetof(unix.PerfEventMmapPage{}.Data_head)]))
	for start := time.Now(); time.Since(start) < sampleTime; {
		provoke()
		n := min(atomic.LoadUint64(head), uint64(len(s.m)-page))
		for _, sample := range perfSamples(s.m[page : page+int(n)]) {
			if wanted(sample) {
				return Result{Outcome: Allowed, Call: s.act + ", read: " + what}
			}
		}
	}
	return Result{Outcome: Failed, Call: s.act, Why: fmt.Sprintf("no sample of %s within %v", what, sampleTime)}
}

// perfSamples finds the samples in a ring that has not wrapped.
func perfSamples(ring []byte) (found []perfSample) {
	for len(ring) >= perfHeader {
		kind, misc := binary.LittleEndian.Uint32(ring), binary.LittleEndian.Uint16(ring[4:])
		size := int(binary.LittleEndian.Uint16(ring[6:]))
		if size < perfHeader || size > len(ring) {
			break
		}
		if kind == perfSampleRec {
			s := perfSample{kernel: misc&perfModeMask == perfModeKernel}
			for b := ring[perfHeader:size]; len(b) >= 8; b = b[8:] {
				s.words = append(s.words, binary.LittleEndian.Uint64(b))
			}
			found = append(found, s)
		}
		ring = ring[size:]
	}
	return found
}
