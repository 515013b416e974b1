//go:build !nobpf

package bpf

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// textSymbol is the symbol that the program reads: the beginning of the kernel's
// code, which never changes and is not zero.
const textSymbol = "_stext"

// ksym is the address of a symbol. Without the privilege to see it, it is 0.
func ksym(name string) (uint64, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) != 3 || fields[2] != name {
			continue
		}
		var addr uint64
		if _, err := fmt.Sscanf(fields[0], "%x", &addr); err != nil || addr == 0 {
			return 0, fmt.Errorf("the address of %s is %q", name, fields[0])
		}
		return addr, nil
	}
	return 0, fmt.Errorf("no symbol %s", name)
}

// casting returns a program that returns the first 4 bytes at the address. It
// reads them with a plain load through the kfunc bpf_rdonly_cast.
func casting(addr uint64, kfunc, typ btf.TypeID) asm.Instructions {
	return asm.Instructions{
		asm.LoadImm(asm.R1, int64(addr), asm.DWord),
		asm.Mov.Imm(asm.R2, int32(typ)),
		{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(kfunc)},
		asm.LoadMem(asm.R0, asm.R0, 0, asm.DWord),
		asm.Return(),
	}
}

// CastAndRead loads and runs such a program.
func CastAndRead() observe.Report {
	const call = "bpf(BPF_PROG_LOAD, bpf_rdonly_cast)"
	if !observe.Exists("/sys/kernel/btf/vmlinux") {
		return observe.Report{Outcome: observe.Unavailable, Call: call, Why: "CONFIG_DEBUG_INFO_BTF"}
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return observe.SetupFailed("load BTF", err)
	}
	var kfunc *btf.Func
	// struct page begins with an 8-byte number in every kernel, so loading it
	// yields a scalar and not a pointer.
	var page *btf.Struct
	if err := spec.TypeByName("bpf_rdonly_cast", &kfunc); err != nil {
		return observe.Report{Outcome: observe.Unavailable, Call: call, Why: "this kernel has no bpf_rdonly_cast"}
	}
	if err := spec.TypeByName("page", &page); err != nil {
		return observe.SetupFailed("find struct page", err)
	}
	kfuncID, err := spec.TypeID(kfunc)
	if err != nil {
		return observe.SetupFailed("find bpf_rdonly_cast", err)
	}
	pageID, err := spec.TypeID(page)
	if err != nil {
		return observe.SetupFailed("find struct page", err)
	}
	addr, err := ksym(textSymbol)
	if err != nil {
		return observe.SetupFailed(`read("/proc/kallsyms")`, err)
	}
	fd, text, err := loadProg(ebpf.RawTracepoint, casting(addr, kfuncID, pageID))
	if err != nil {
		r := withLog(observe.FromError(call, err), text)
		switch {
		case strings.Contains(text, "JIT is required"):
			r.Outcome, r.Why = observe.Unavailable, "CONFIG_BPF_JIT"
		case strings.Contains(text, "bpf_rdonly_cast is not allowed"): // rejected like a helper
			r.Outcome, r.Why = observe.Denied, ""
		}
		return r
	}
	defer unix.Close(fd)
	return readsText(fd, "bpf_rdonly_cast")
}

// readsText runs a program that must return the beginning of the kernel's code.
func readsText(fd int, how string) observe.Report {
	got, err := runProg(fd, ebpf.RawTracepoint)
	r := observe.FromError(fmt.Sprintf("bpf(BPF_PROG_TEST_RUN) = %#x of %s, by %s", got, textSymbol, how), err)
	if err == nil && got == 0 {
		r.Outcome, r.Why = observe.Failed, "the program runs and reads nothing"
	}
	return r
}
