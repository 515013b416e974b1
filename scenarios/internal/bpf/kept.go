//go:build !nobpf

package bpf

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// LoadForLater loads a program that reads kernel memory and runs it. The
// function that it returns runs the program again.
func LoadForLater() (func() observe.Report, observe.Report) {
	addr, err := ksym(textSymbol)
	if err != nil {
		return nil, observe.SetupFailed(`read("/proc/kallsyms")`, err)
	}
	name := HelperName(asm.FnProbeReadKernel)
	fd, text, err := loadProg(ebpf.RawTracepoint, reading(addr))
	if r := judgeHelper("bpf(BPF_PROG_LOAD, "+name+")", text, err); r.Outcome != observe.Allowed {
		return nil, r
	}
	r := readsText(fd, name)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report {
		defer unix.Close(fd)
		return readsText(fd, name)
	}, r
}
