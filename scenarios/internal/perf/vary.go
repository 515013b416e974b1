package perf

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/pairs"
)

// A value is one of the values of an argument of perf_event_open(2): what is set
// in the event that a variant opens.
type value struct {
	name string
	set  func(*request)
}

// A request is the arguments of perf_event_open(2).
type request struct {
	attr              *unix.PerfEventAttr
	pid, cpu, groupFD int
	flags             int
}

// software is an event that every machine counts.
func software(name string, config uint64) value {
	return value{name, func(r *request) { r.attr.Config = config }}
}

// sampled adds to what is sampled.
func sampled(name string, sample uint64) value {
	return value{name, func(r *request) { r.attr.Sample_type |= sample }}
}

// bits adds flags of the event.
func bits(name string, b uint64) value {
	return value{name, func(r *request) { r.attr.Bits |= b }}
}

func period(name string, n, b uint64) value {
	return value{name, func(r *request) { r.attr.Sample, r.attr.Bits = n, r.attr.Bits|b }}
}

func target(name string, pid, cpu int) value {
	return value{name, func(r *request) { r.pid, r.cpu = pid, cpu }}
}

func registers(name string, mask uint64) value {
	return value{name, func(r *request) { r.attr.Sample_regs_intr = mask }}
}

// arguments are the values of each argument, each of which is valid beside any
// other. All sample the registers of the kernel.
var arguments = [][]value{
	{
		software("page-faults", unix.PERF_COUNT_SW_PAGE_FAULTS), software("cpu-clock", unix.PERF_COUNT_SW_CPU_CLOCK),
		software("task-clock", unix.PERF_COUNT_SW_TASK_CLOCK), software("context-switches", unix.PERF_COUNT_SW_CONTEXT_SWITCHES),
		software("migrations", unix.PERF_COUNT_SW_CPU_MIGRATIONS), software("minor-faults", unix.PERF_COUNT_SW_PAGE_FAULTS_MIN),
		software("alignment-faults", unix.PERF_COUNT_SW_ALIGNMENT_FAULTS), software("dummy", unix.PERF_COUNT_SW_DUMMY),
	},
	{
		sampled("", 0), sampled("IP|TID|TIME", unix.PERF_SAMPLE_IP|unix.PERF_SAMPLE_TID|unix.PERF_SAMPLE_TIME),
		sampled("ADDR|ID|CPU|PERIOD|IDENTIFIER", unix.PERF_SAMPLE_ADDR|unix.PERF_SAMPLE_ID|unix.PERF_SAMPLE_CPU|unix.PERF_SAMPLE_PERIOD|unix.PERF_SAMPLE_IDENTIFIER),
		sampled("CALLCHAIN", unix.PERF_SAMPLE_CALLCHAIN), sampled("RAW|WEIGHT|DATA_SRC", unix.PERF_SAMPLE_RAW|unix.PERF_SAMPLE_WEIGHT|unix.PERF_SAMPLE_DATA_SRC),
		{"REGS_USER|STACK_USER", func(r *request) {
			r.attr.Sample_type |= unix.PERF_SAMPLE_REGS_USER | unix.PERF_SAMPLE_STACK_USER
			r.attr.Sample_regs_user, r.attr.Sample_stack_user = Register, 64
		}},
	},
	{period("period 1", 1, 0), period("frequency 100", 100, unix.PerfBitFreq), period("period 2^62", 1<<62, 0), period("counting", 0, 0)},
	{target("pid 0", 0, -1), target("pid 0, cpu 0", 0, 0), target("cpu 0", -1, 0), {"own pid", func(r *request) { r.pid, r.cpu = os.Getpid(), -1 }}},
	{
		bits("", 0), bits("inherit", unix.PerfBitInherit), bits("exclude_user", unix.PerfBitExcludeUser), bits("exclude_idle", unix.PerfBitExcludeIdle),
		bits("mmap, comm, task", unix.PerfBitMmap|unix.PerfBitComm|unix.PerfBitTask), bits("watermark", unix.PerfBitWatermark), bits("sample_id_all", unix.PerfBitSampleIDAll),
		bits("precise_ip 1", unix.PerfBitPreciseIPBit1), bits("enable_on_exec", unix.PerfBitEnableOnExec),
	},
	{registers("all registers", allRegisters()), registers("one register", Register), registers("the stack pointer", stackPointer())},
	{{"", func(*request) {}}, {"attr of 96 bytes", func(r *request) { r.attr.Size = unix.PERF_ATTR_SIZE_VER3 + 8 }}},
	{{"", func(*request) {}}, {"without FD_CLOEXEC", func(r *request) { r.flags = 0 }}},
}

// stackPointer is the bit of the stack pointer: SP, of 7 on x86 and of 31 on
// arm64.
func stackPointer() uint64 {
	if allRegisters() == 0xff0fff {
		return 1 << 7
	}
	return 1 << 31
}

// others are events that not every machine has, and that do not go with every
// value.
var others = []value{
	{"cycles", func(r *request) { r.attr.Type, r.attr.Config = unix.PERF_TYPE_HARDWARE, 0 }},
	{"instructions, precise_ip 2", func(r *request) {
		r.attr.Type, r.attr.Config, r.attr.Bits = unix.PERF_TYPE_HARDWARE, 1, r.attr.Bits|unix.PerfBitPreciseIPBit2
	}},
	{"cycles of cpu 0", func(r *request) { r.attr.Type, r.attr.Config, r.pid, r.cpu = unix.PERF_TYPE_HARDWARE, 0, -1, 0 }},
	{"cache misses", func(r *request) { r.attr.Type, r.attr.Config = unix.PERF_TYPE_HW_CACHE, 1<<16 }},
	{"raw event", func(r *request) { r.attr.Type, r.attr.Config = unix.PERF_TYPE_RAW, 0x11 }},
	{"breakpoint", func(r *request) {
		r.attr.Type, r.attr.Bp_type, r.attr.Ext1, r.attr.Ext2 = unix.PERF_TYPE_BREAKPOINT, 3, 0x1000, 8
	}},
	{"tracepoint", func(r *request) { r.attr.Type, r.attr.Config = unix.PERF_TYPE_TRACEPOINT, firstTracepoint() }},
	{"emulation-faults", func(r *request) { r.attr.Config = unix.PERF_COUNT_SW_EMULATION_FAULTS }},
	{"major-faults", func(r *request) { r.attr.Config = unix.PERF_COUNT_SW_PAGE_FAULTS_MAJ }},
	{"bpf-output", func(r *request) {
		r.attr.Config, r.attr.Sample_type = unix.PERF_COUNT_SW_BPF_OUTPUT, r.attr.Sample_type|unix.PERF_SAMPLE_RAW
	}},
	{"PHYS_ADDR", func(r *request) { r.attr.Sample_type |= unix.PERF_SAMPLE_PHYS_ADDR }},
	{"pinned", func(r *request) { r.attr.Bits |= unix.PerfBitPinned }},
	{"exclusive", func(r *request) { r.attr.Bits |= unix.PerfBitExclusive }},
	{"write_backward", func(r *request) { r.attr.Bits |= unix.PerfBitWriteBackward }},
	{"enabled", func(r *request) { r.attr.Bits &^= unix.PerfBitDisabled }},
	{"FD_NO_GROUP", func(r *request) { r.flags |= unix.PERF_FLAG_FD_NO_GROUP }},
}

// RegsIntrMore opens events that sample the kernel's registers, with each pair of
// values of arguments, and the other events.
func RegsIntrMore() (list []observe.Variant) {
	var sizes []int
	for _, a := range arguments {
		sizes = append(sizes, len(a))
	}
	for _, combination := range pairs.Cover(sizes...) {
		r, name := newRequest(), ""
		for i, v := range combination {
			arguments[i][v].set(&r)
			name = joined(name, arguments[i][v].name)
		}
		list = append(list, r.open().Vary(name))
	}
	for _, v := range others {
		r := newRequest()
		v.set(&r)
		list = append(list, r.open().Vary(v.name))
	}
	return append(list, inGroup().Vary("in a group"), newRequest().compat().Vary("by a 32-bit call"))
}

// compat opens the event as a 32-bit program does.
func (r request) compat() observe.Report {
	var attr bytes.Buffer
	binary.Write(&attr, binary.LittleEndian, r.attr)
	fd, err := compat.PerfEventOpen.Value(compat.Buffer{Data: attr.Bytes()}, compat.Word(uint32(r.pid)), compat.Word(uint32(r.cpu)), compat.Word(uint32(r.groupFD)), compat.Word(r.flags))
	if err == nil {
		unix.Close(fd)
	}
	return compat.Report("32-bit perf_event_open", err)
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// newRequest is the request that the values change.
func newRequest() request { return request{regsIntr(), 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC} }

// open opens the event and closes it.
func (r request) open() observe.Report {
	fd, err := unix.PerfEventOpen(r.attr, r.pid, r.cpu, r.groupFD, r.flags)
	if err == nil {
		unix.Close(fd)
	}
	return observe.FromError("perf_event_open", err)
}

// inGroup opens the event as the member of a group.
func inGroup() observe.Report {
	leader := newRequest()
	leader.attr = EveryOccurrence(unix.PERF_COUNT_SW_DUMMY, 0)
	fd, err := unix.PerfEventOpen(leader.attr, 0, -1, -1, leader.flags)
	if err != nil {
		return observe.SetupFailed("perf_event_open(dummy)", err)
	}
	defer unix.Close(fd)
	r := newRequest()
	r.groupFD = fd
	return r.open()
}

// firstTracepoint is the number of the first event that is opened as one; 0 if
// there is none.
func firstTracepoint() uint64 {
	attr := EveryOccurrence(0, unix.PERF_SAMPLE_RAW)
	attr.Type = unix.PERF_TYPE_TRACEPOINT
	for attr.Config = firstEvent; attr.Config < lastEvent; attr.Config++ {
		if fd, err := unix.PerfEventOpen(attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC); err == nil {
			unix.Close(fd)
			return attr.Config
		}
	}
	return 0
}
