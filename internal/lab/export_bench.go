package lab

import (
	"context"
	"time"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// A Stage is a plan that is ready to run, for a benchmark: its guests are run
// one at a time, as often as wanted, and no verdicts are made of them. Not for
// several goroutines.
type Stage struct {
	Machines []matrix.Host
	run      *run
}

// Stage builds what the plan boots and chooses the machines, as Run does.
func (p *Plan) Stage(ctx context.Context, o Options) (*Stage, error) {
	r := newRun(p, o)
	if err := r.preflight(); err != nil {
		return nil, err
	}
	machines, err := r.prepare(ctx)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	return &Stage{machines, r}, nil
}

// Close gives up the templates of the guests that were forked.
func (s *Stage) Close() { s.run.closeTemplates() }

// Guest runs the plain machine of a guest of the plan, which every guest has:
// booted, or forked where its setting allows it.
func (s *Stage) Guest(ctx context.Context, g matrix.Guest, boot bool) matrix.Result {
	s.run.Boot = boot
	b := s.run.booted[g.Kernel+"/"+g.Arch]
	run, end := s.run.bootPart(ctx, b, g, parts(s.run.plan.Probes, b.build.Arch)[0])
	return matrix.Result{Guest: g, Host: b.host, Machines: []matrix.MachineRun{run}, End: end}
}

// Initramfs makes a guest's root file system once more, as each run does.
func (s *Stage) Initramfs(ctx context.Context, g matrix.Guest) error {
	_, err := s.run.initramfs(ctx, s.run.booted[g.Kernel+"/"+g.Arch])
	return err
}

// Machine is the machine that a guest of the plan boots on.
func (s *Stage) Machine(g matrix.Guest) vm.Config {
	return s.run.booted[g.Kernel+"/"+g.Arch].machine(g.Setting, nil)
}

// ForkMemoryMiB is the RAM of a fork of the plan's plain machine, in MiB.
func (s *Stage) ForkMemoryMiB() int { return baseMiB + s.run.workers(part{})*workerMiB }

// The phases of a guest that a benchmark looks at; see timing.
const (
	FirstAnswer = "first probe" // its first probe has answered
	Ended       = "end"         // QEMU is gone
)

// Reached is how long a guest took to a phase, from the start of QEMU or from
// the wish for a fork; 0 where it never came to it.
func Reached(r matrix.Result, phase string) time.Duration {
	for _, p := range r.Plain().Timing {
		if p.Name == phase {
			return time.Duration(p.MS) * time.Millisecond
		}
	}
	return 0
}
