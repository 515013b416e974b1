//go:build !nobpf

package scenarios

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// keptProg loads a program that reads kernel memory before, sees that it does,
// and runs it again after.
func keptProg() (func() Result, Result) {
	addr, err := ksym(textSymbol)
	if err != nil {
		return nil, failed(`read("/proc/kallsyms")`, err)
	}
	name := helperName(asm.FnProbeReadKernel)
	fd, text, err := loadProg(ebpf.RawTracepoint, reading(addr))
	if r := judgeHelper("bpf(BPF_PROG_LOAD, "+name+")", text, err); r.Outcome != Allowed {
		return nil, r
	}
	r := readsText(fd, name)
	if r.Outcome != Allowed {
		return nil, r
	}
	return func() Result {
		defer unix.Close(fd)
		return readsText(fd, name)
	}, r
}
