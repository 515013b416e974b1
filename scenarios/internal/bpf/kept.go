//go:build !nobpf

package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// LoadForLater loads a program that reads kernel memory and runs it. The
// function that it returns runs the program again.
func LoadForLater() (func() observe.Report, observe.Report) {
	const fn = asm.FnProbeReadKernel
	fd, text, err := loadProg(ebpf.RawTracepoint, reading(fn, known(8, false), 0))
	if r := judgeHelper("bpf(BPF_PROG_LOAD, "+HelperName(fn)+")", text, err); r.Outcome != observe.Allowed {
		return nil, r.Saw(false, "no program was loaded")
	}
	run := func() observe.Report {
		got, err := runProg(fd, ebpf.RawTracepoint)
		r, done := judgeRun(fmt.Sprintf("bpf(BPF_PROG_TEST_RUN, %s)", HelperName(fn)), int32(got), err)
		return r.Saw(done, "the program compared what it read")
	}
	if r := run(); r.Outcome != observe.Allowed {
		unix.Close(fd)
		return nil, r
	}
	return func() observe.Report {
		defer unix.Close(fd)
		return run()
	}, observe.FromError("bpf(BPF_PROG_TEST_RUN)", nil)
}
