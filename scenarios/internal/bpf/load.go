//go:build !nobpf

// Package bpf loads and runs BPF programs.
package bpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// maxLoads bounds how often an interrupted load is retried.
const maxLoads = 10

// Commands of bpf(2): include/uapi/linux/bpf.h, v6.12.
const (
	bpfProgLoad    = 5  // BPF_PROG_LOAD
	bpfProgTestRun = 10 // BPF_PROG_TEST_RUN
)

// progLoad is the head of union bpf_attr for BPF_PROG_LOAD
// (include/uapi/linux/bpf.h, v6.12).
type progLoad struct {
	progType    uint32
	insnCnt     uint32
	insns       uint64
	license     uint64
	logLevel    uint32
	logSize     uint32
	logBuf      uint64
	kernVersion uint32
	progFlags   uint32
	_           [20]byte // name, number of a network interface
	attachType  uint32
}

// bpfSkLookup is BPF_SK_LOOKUP of enum bpf_attach_type (include/uapi/linux/bpf.h,
// v6.12), without which no program of that type is loaded.
const bpfSkLookup = 36

// Flags of a program: include/uapi/linux/bpf.h, v6.12. Those of the type syscall
// need the last one.
const (
	anyAlignment  = 1 << 1 // BPF_F_ANY_ALIGNMENT
	testStateFreq = 1 << 3 // BPF_F_TEST_STATE_FREQ
	sleepable     = 1 << 4 // BPF_F_SLEEPABLE
)

// A loading is how a program is loaded. The verifier always writes a log, because
// it is the evidence of a refusal.
type loading struct {
	flags    uint32
	logLevel uint32 // 0: 1
}

// loadProg loads a program as usual.
func loadProg(typ ebpf.ProgramType, prog asm.Instructions) (fd int, text string, err error) {
	return loading{}.load(typ, prog)
}

// progTestRun is the head of union bpf_attr for BPF_PROG_TEST_RUN, up to the
// fields of a raw tracepoint program.
type progTestRun struct {
	progFD      uint32
	retval      uint32
	dataSizeIn  uint32
	dataSizeOut uint32
	dataIn      uint64
	_           [40]byte
}

// load loads a program with one bpf(2) and returns the verifier's log. It
// does not use cilium/ebpf's loader: if probe_read_kernel is denied, that
// loader assumes an old kernel and rewrites all calls to probe_read
// (linker.go:fixupProbeReadKernel, v0.22.0), those to probe_read_user too.
func (l loading) load(typ ebpf.ProgramType, prog asm.Instructions) (fd int, text string, err error) {
	var code bytes.Buffer
	// Both architectures of the lab are little endian.
	if err := prog.Marshal(&code, binary.LittleEndian); err != nil {
		return -1, "", fmt.Errorf("assemble program: %w", err)
	}
	insns, license, log := code.Bytes(), []byte("GPL\x00"), make([]byte, 64<<10)
	attr := progLoad{
		progType: uint32(typ),
		insnCnt:  uint32(len(insns) / asm.InstructionSize),
		insns:    uint64(uintptr(unsafe.Pointer(&insns[0]))),
		license:  uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel: max(1, l.logLevel),
		logSize:  uint32(len(log)),
		logBuf:   uint64(uintptr(unsafe.Pointer(&log[0]))),
	}
	attr.progFlags = l.flags
	switch typ {
	case ebpf.Syscall:
		attr.progFlags |= sleepable
	case ebpf.SkLookup:
		attr.attachType = bpfSkLookup
	}
	n, e := uintptr(0), unix.EAGAIN
	// The verifier returns EAGAIN if a signal is pending
	// (kernel/bpf/verifier.c:do_check, v6.12); libbpf retries, too.
	for try := 0; e == unix.EAGAIN && try < maxLoads; try++ {
		n, _, e = unix.Syscall(unix.SYS_BPF, bpfProgLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(insns)
	runtime.KeepAlive(license)
	runtime.KeepAlive(log)
	if e != 0 {
		return -1, string(bytes.TrimRight(log, "\x00")), e
	}
	return int(n), "", nil
}

// judgeHelper returns the report of loading a program that calls a helper.
func judgeHelper(call, text string, err error) observe.Report {
	r := observe.FromError(call, err)
	if err == nil {
		return r
	}
	if err == unix.EINVAL && helperRefused(text) {
		r.Outcome, r.Why = observe.Denied, ""
	} else if r.Outcome != observe.Failed { // lockdown does not answer EPERM here
		r.Outcome, r.Why = observe.Failed, "EPERM is returned before the verifier checks lockdown"
	}
	return observe.UnavailableIf(withLog(r, text), "CONFIG_BPF_SYSCALL", unix.ENOSYS)
}

// withLog appends the verifier's reason to the call.
func withLog(r observe.Report, text string) observe.Report {
	if last := lastLine(text); last != "" {
		r.Call += " (" + last + ")"
	}
	return r
}

// runProg runs a program once: one that filters packets with a packet of zeros,
// and others without arguments.
func runProg(fd int, typ ebpf.ProgramType) (uint32, error) {
	attr := progTestRun{progFD: uint32(fd)}
	packet := make([]byte, 64)
	if typ != ebpf.RawTracepoint && typ != ebpf.Syscall {
		attr.dataSizeIn, attr.dataIn = uint32(len(packet)), uint64(uintptr(unsafe.Pointer(&packet[0])))
	}
	_, _, e := unix.Syscall(unix.SYS_BPF, bpfProgTestRun, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(packet)
	if e != 0 {
		return 0, e
	}
	return attr.retval, nil
}

// helperRefused reports whether the verifier's log rejects the helper, in the
// text of v6.12 or v6.1.
func helperRefused(log string) bool {
	return strings.Contains(log, "cannot use helper") || strings.Contains(log, "unknown func")
}

// lastLine is the verifier's last line before its statistics.
func lastLine(log string) string {
	last := ""
	for line := range strings.Lines(log) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "processed ") {
			last = line
		}
	}
	return fmt.Sprintf("%.120s", last)
}
