package engine

import (
	"context"
	"time"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// This file is the stage's interface for benchmarks: guests one at a time, as
// often as needed, without verdicts.

// Hosts lists how the guests of each architecture run.
func (s *Stage) Hosts() (hosts []matrix.Host) {
	seen := map[string]bool{}
	for _, build := range s.plan.Builds {
		if !seen[build.Arch.Name] {
			seen[build.Arch.Name] = true
			hosts = append(hosts, s.kernels[keyOf(build)].host)
		}
	}
	return hosts
}

// Guest runs the plain machine of a guest of the plan, which every guest has.
// It boots if boot is set; else it is forked if its setting allows it. Not for
// several goroutines.
func (s *Stage) Guest(ctx context.Context, g matrix.Guest, boot bool) matrix.Result {
	s.options.Boot = boot
	k := s.of(g)
	j := job{guest: g, probes: s.plan.Probes, try: 1}
	talking, cancel := context.WithTimeout(ctx, s.limit(k))
	defer cancel()
	run, end := s.machine(ctx, talking, k, j, j.parts(k)[0])
	return matrix.Result{Guest: g, Host: k.host, Machines: []matrix.MachineRun{run}, End: end}
}

// Initramfs builds a guest's root file system again, as each run does.
func (s *Stage) Initramfs(ctx context.Context, g matrix.Guest) error {
	_, err := s.initramfs(ctx, s.of(g))
	return err
}

// Machine is the machine that a guest of the plan boots on.
func (s *Stage) Machine(g matrix.Guest) vm.Config { return s.of(g).machine(g.Setting, plain) }

// ForkMemoryMiB is the RAM of a fork of the plan's plain machine, in MiB: of its
// largest kernel.
func (s *Stage) ForkMemoryMiB() int { return s.memoryMiB() + s.workers(part{})*workerMiB }

// Phases of a guest that a benchmark measures; see timing.
const (
	FirstAnswer = "first probe" // its first probe has answered
	Ended       = "end"         // QEMU is gone
)

// Reached returns the time from starting QEMU, or from requesting the fork, to
// the phase; 0 if it was not reached.
func Reached(r matrix.Result, phase string) time.Duration {
	for _, p := range r.Plain().Timing {
		if p.Name == phase {
			return time.Duration(p.MS) * time.Millisecond
		}
	}
	return 0
}
