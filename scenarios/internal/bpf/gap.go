//go:build !nobpf

package bpf

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/perf"
)

// printing is a program that prints the string at an address of the kernel with
// bpf_snprintf, and compares. The format is the value of the map. The address is
// that of the program's own stack, which has the pattern, a string of 16 bytes.
func printing(format int, pattern []byte) asm.Instructions {
	const out, text, address = -64, -32, -8
	code := append(onStack(out, make([]byte, 32)), onStack(text, pattern)...)
	return append(code,
		asm.Mov.Reg(asm.R4, asm.RFP),
		asm.Add.Imm(asm.R4, text),
		asm.StoreMem(asm.RFP, address, asm.R4, asm.DWord),
		asm.Mov.Reg(asm.R4, asm.RFP),
		asm.Add.Imm(asm.R4, address),
		asm.Mov.Imm(asm.R5, 8),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, out),
		asm.Mov.Imm(asm.R2, 32),
		asm.LoadMapValue(asm.R3, format, 0),
		asm.FnSnprintf.Call(),
		asm.JSLT.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R1, asm.RFP, out+12, asm.Word),
		asm.Mov.Imm(asm.R0, readRight),
		asm.JEq.Imm(asm.R1, int32(binary.LittleEndian.Uint32(pattern[12:])), "exit"),
		asm.Mov.Imm(asm.R0, readWrong),
		asm.Return().WithSymbol("exit"),
	)
}

// readOnly is BPF_F_RDONLY_PROG.
const readOnly = 1 << 7

// Print prints the string at an address of the kernel with a format of
// bpf_snprintf.
func Print(format string) observe.Report {
	call := fmt.Sprintf("bpf(BPF_PROG_LOAD, %s, bpf_snprintf(%q))", TypeName(ebpf.RawTracepoint), format)
	if !checksAtLoad() {
		return observe.Report{Outcome: observe.Unavailable, Call: call, Why: "kernels before 5.13 have no bpf_snprintf"}
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: readOnly,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: append([]byte(format), make([]byte, 8-len(format))...)}},
	})
	if err != nil {
		return observe.SetupFailed("bpf(BPF_MAP_CREATE, array)", err)
	}
	defer m.Close()
	if err := m.Freeze(); err != nil { // a format must be constant
		return observe.SetupFailed("bpf(BPF_MAP_FREEZE)", err)
	}
	fd, text, err := loadProg(ebpf.RawTracepoint, printing(m.FD(), known(16, true)))
	if r := judgeHelper(call, text, err); err != nil {
		return r.Saw(false, "no program was loaded")
	}
	defer unix.Close(fd)
	got, err := runProg(fd, ebpf.RawTracepoint)
	r, done := judgeRun(call+", bpf(BPF_PROG_TEST_RUN)", int32(got), err)
	return r.Saw(done, "the program compared what was printed")
}

// registerWords is the size of bpf_user_pt_regs_t in words of 64 bits, and which
// of them is the instruction pointer: arch/*/include/uapi/asm/bpf_perf_event.h,
// v6.12.
func registerWords() (words, ip int16) {
	if runtime.GOARCH == "amd64" {
		return 21, 16
	}
	return 34, 32
}

// copyingRegisters is a program of a perf event that copies the registers of
// what was interrupted to the value of the map, if that was the kernel.
func copyingRegisters(values int) asm.Instructions {
	words, ip := registerWords()
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 8*ip, asm.DWord),
		asm.JSGE.Imm(asm.R7, 0, "exit"), // the upper half of the addresses is the kernel's
		asm.LoadMapValue(asm.R8, values, 0),
	}
	for i := range words {
		code = append(code, asm.LoadMem(asm.R1, asm.R6, 8*i, asm.DWord), asm.StoreMem(asm.R8, 8*i, asm.R1, asm.DWord))
	}
	return append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"), asm.Return())
}

// KernelRegisters attaches such a program to the page faults of this thread,
// faults in the kernel, and looks for the fault's address among the registers.
func KernelRegisters() observe.Report {
	const call = "ioctl(PERF_EVENT_IOC_SET_BPF) of page-faults"
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	words, _ := registerWords()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8 * uint32(words), MaxEntries: 1})
	if err != nil {
		return observe.SetupFailed("bpf(BPF_MAP_CREATE, array)", err)
	}
	defer m.Close()
	prog, text, err := loadProg(ebpf.PerfEvent, copyingRegisters(m.FD()))
	if err != nil {
		return withLog(observe.FromError("bpf(BPF_PROG_LOAD, perf_event)", err), text).Saw(false, "no program was loaded")
	}
	defer unix.Close(prog)
	event, err := unix.PerfEventOpen(perf.EveryOccurrence(unix.PERF_COUNT_SW_PAGE_FAULTS, unix.PERF_SAMPLE_IP), 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return observe.SetupFailed(perf.OpenCall("page-faults"), err)
	}
	defer unix.Close(event)
	r := observe.FromError(call, unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, prog))
	if r.Outcome != observe.Allowed {
		return r.Saw(false, "no program is attached")
	}
	at, err := faultWhile(event)
	if err != nil {
		return observe.SetupFailed(call, err)
	}
	values := make([]uint64, words)
	if err := m.Lookup(uint32(0), unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), 8*int(words))); err != nil {
		return observe.SetupFailed("bpf(BPF_MAP_LOOKUP_ELEM)", err)
	}
	found := false
	for _, v := range values {
		found = found || perf.InPage(v, at)
	}
	return r.Saw(found, "a register of the kernel has an address that this process chose")
}

// faultWhile faults in the kernel while the event counts, and returns the page.
func faultWhile(event int) (page uint64, err error) {
	if err := unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return 0, err
	}
	fault := perf.FaultInKernel(func(at uint64) { page = at })
	if err := unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_DISABLE, 0); err != nil {
		return 0, err
	}
	return page, fault
}
