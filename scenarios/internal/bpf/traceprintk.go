//go:build !nobpf

package bpf

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

// printEvent is the event by which bpf_trace_printk writes to the trace. Loading a
// program that calls it switches the event on, a moment later
// (kernel/trace/bpf_trace.c:bpf_get_trace_printk_proto, v6.12).
const printEvent = "events/bpf_trace/bpf_trace_printk"

// tracing is a program that prints the string at an address of the kernel to the
// trace: its own stack, which has the text.
func tracing(format, text string) asm.Instructions {
	const at, str = -16, -48
	code := append(onStack(at, append([]byte(format), 0)), onStack(str, append([]byte(text), 0))...)
	return append(code,
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, at),
		asm.Mov.Imm(asm.R2, int32(len(format)+1)),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, str),
		asm.FnTracePrintk.Call(),
		asm.JSLT.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R0, readRight),
		asm.Return().WithSymbol("exit"),
	)
}

// Trace prints the string at an address of the kernel with a format of
// bpf_trace_printk, and looks for it in trace_pipe.
func Trace(format string) observe.Report {
	const text = "ldlab prints this string"
	call := fmt.Sprintf("bpf(BPF_PROG_LOAD, %s, bpf_trace_printk(%q))", TypeName(ebpf.RawTracepoint), format)
	pipe, r := tracefs.OpenPipe()
	if r.Outcome != observe.Allowed {
		return r
	}
	defer pipe.Close()
	enable := filepath.Join(tracefs.Dir, printEvent, "enable")
	was, r := observe.ReadText(enable)
	if r = tracefs.DeniedIfEmpty(r, "CONFIG_BPF_EVENTS"); r.Outcome != observe.Allowed {
		return r.Saw(false, "no program was loaded")
	}
	if !strings.HasPrefix(was, "1") {
		defer switchOff(enable)
	}
	fd, log, err := loadProg(ebpf.RawTracepoint, tracing(format, text))
	if r := judgeHelper(call, log, err); err != nil {
		return r.Saw(false, "no program was loaded")
	}
	defer unix.Close(fd)
	if r := observe.WriteText(enable, "1"); r.Outcome != observe.Allowed {
		return r.Saw(false, "the event is off")
	}
	got, err := runProg(fd, ebpf.RawTracepoint)
	r, _ = judgeRun(call+", bpf(BPF_PROG_TEST_RUN)", int32(got), err)
	line := pipe.Line("bpf_trace_printk: ")
	return r.Saw(line == text, fmt.Sprintf("trace_pipe has %q, and the program's stack %q", line, text))
}

// switchOff switches the event off, and again if the kernel switched it on only
// then.
func switchOff(enable string) {
	for range 3 {
		_ = observe.WriteCommand(enable, "0")
		time.Sleep(time.Millisecond)
		if is, _ := observe.ReadText(enable); strings.HasPrefix(is, "0") {
			return
		}
	}
}
