//go:build !nobpf

package bpf

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// A Call is a program that calls a helper of the probe_read and probe_write
// family.
type Call struct {
	Type ebpf.ProgramType
	Fn   asm.BuiltinFunc
	size int // bytes; 0: 8
	how  loading
}

// Do loads the program, runs it if its type can be run without an event, and
// looks: at what it read, or at the memory that it wrote.
func (c Call) Do() observe.Report {
	if c.size == 0 {
		c.size = 8
	}
	p, err := ownpage.New()
	if err != nil {
		return observe.SetupFailed("mmap", err)
	}
	defer p.Close()
	pattern := known(c.size, isString(c.Fn))
	var code asm.Instructions
	switch c.Fn {
	case asm.FnProbeWriteUser:
		for i, b := range pattern { // not what is to be written
			p.Bytes[i] = ^b
		}
		code = writing(pattern, p.Address())
	case asm.FnProbeReadUser:
		copy(p.Bytes, pattern)
		code = reading(c.Fn, pattern, p.Address())
	default:
		code = reading(c.Fn, pattern, 0)
	}
	r, done := c.run(code)
	if c.Fn == asm.FnProbeWriteUser {
		return r.Saw(bytes.HasPrefix(p.Bytes, pattern), fmt.Sprintf("the process's own page has % .8x, to be written was % .8x", p.Bytes[:8], pattern[:min(8, c.size)]))
	}
	return r.Saw(done, "the program compared what it read")
}

// run loads a program and runs it once. done is set if it read what is there.
func (c Call) run(code asm.Instructions) (r observe.Report, done bool) {
	call := fmt.Sprintf("bpf(BPF_PROG_LOAD, %s, %s#%d)", TypeName(c.Type), HelperName(c.Fn), c.Fn)
	fd, text, err := c.how.load(c.Type, code)
	if r := judgeHelper(call, text, err); err != nil {
		return r, false
	}
	defer unix.Close(fd)
	got, err := runProg(fd, c.Type)
	return judgeRun(call+", bpf(BPF_PROG_TEST_RUN)", int32(got), err)
}

// judgeRun is the report of a run and its result. Kernels before 5.13 check
// lockdown in the helper.
func judgeRun(call string, got int32, err error) (r observe.Report, done bool) {
	if err != nil {
		r = observe.FromError(call, err)
		r.Outcome, r.Why = observe.Failed, "the program cannot be run"
		return r, false
	}
	switch {
	case got == readRight:
		return observe.FromError(call, nil), true
	case got == readWrong:
		return observe.FromError(call, nil), false
	case got == refusedRead, got == -int32(unix.EPERM):
		r = observe.FromError(call+": the helper", unix.EPERM)
		return r, got == refusedRead
	case got < 0:
		return observe.FromError(call+": the helper", unix.Errno(-got)), false
	}
	return observe.Report{Outcome: observe.Failed, Call: call, Why: fmt.Sprintf("the program returned %d", got)}, false
}

// load loads the program and does not run it: an event would have to happen.
func (c Call) load() observe.Report {
	code := reading(c.Fn, known(8, isString(c.Fn)), 0)
	if c.Fn == asm.FnProbeWriteUser {
		code = writing(known(8, false), 1<<12)
	}
	code = append(code[:len(code)-1], asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"), asm.Return())
	call := fmt.Sprintf("bpf(BPF_PROG_LOAD, %s, %s#%d)", TypeName(c.Type), HelperName(c.Fn), c.Fn)
	fd, text, err := c.how.load(c.Type, code)
	if err == nil {
		unix.Close(fd)
	}
	return judgeHelper(call, text, err)
}

// The types of programs that trace, and all others that get their helpers from
// bpf_base_func_proto, by whether BPF_PROG_TEST_RUN runs them (v6.12).
var (
	tracers     = []ebpf.ProgramType{ebpf.Syscall}
	tracersLoad = []ebpf.ProgramType{ebpf.Kprobe, ebpf.TracePoint, ebpf.PerfEvent, ebpf.RawTracepointWritable}
	others      = []ebpf.ProgramType{ebpf.SchedCLS, ebpf.SchedACT, ebpf.XDP, ebpf.LWTIn, ebpf.LWTOut}
	othersLoad  = []ebpf.ProgramType{ebpf.LWTXmit, ebpf.SkSKB, ebpf.SkMsg, ebpf.SockOps, ebpf.SkReuseport, ebpf.SkLookup, ebpf.FlowDissector, ebpf.LWTSeg6Local}
)

// More calls the helper with other sizes and in programs of other types.
func (c Call) More() (list []observe.Variant) {
	for _, size := range []int{1, 240} {
		if size > 1 || !isString(c.Fn) {
			d := c
			d.size = size
			list = append(list, d.Do().Vary(fmt.Sprintf("%d bytes", size)))
		}
	}
	for _, l := range []struct {
		name string
		how  loading
	}{{"BPF_F_ANY_ALIGNMENT|BPF_F_TEST_STATE_FREQ", loading{flags: anyAlignment | testStateFreq}}, {"with the verifier's whole log", loading{logLevel: 2}}} {
		d := c
		d.how = l.how
		list = append(list, d.Do().Vary(l.name))
	}
	run, load := tracers, tracersLoad
	if c.Type == ebpf.SocketFilter {
		run, load = others, othersLoad
	}
	for _, typ := range run {
		list = append(list, Call{Type: typ, Fn: c.Fn}.Do().Vary("in a program of type "+TypeName(typ)))
	}
	if !checksAtLoad() {
		return list
	}
	for _, typ := range load {
		list = append(list, Call{Type: typ, Fn: c.Fn}.load().Vary("loaded as "+TypeName(typ)))
	}
	return list
}

// checksAtLoad reports whether the kernel is of 5.13 or later, which checks
// lockdown when it loads a program, and not when the helper runs.
func checksAtLoad() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 5 || major == 5 && minor >= 13)
}
