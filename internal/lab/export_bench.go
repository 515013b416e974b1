package lab

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// A Stage is a plan that is ready to run, for a benchmark: its guests are run
// one at a time, as often as wanted, and no verdicts are made of them. Not for
// several goroutines.
type Stage struct {
	Machines []matrix.Machine
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

// Guest runs the plain machine of a guest of the plan, which every guest has,
// with all of its probes: booted, or forked where its setting allows it.
func (s *Stage) Guest(ctx context.Context, g matrix.Guest, boot bool) matrix.Result {
	s.run.Boot = boot
	b, p := s.plain(g)
	res := matrix.Result{Guest: g}
	s.run.bootPart(ctx, b, p, &res)
	return res
}

// plain is what the plain machine of a guest is made of.
func (s *Stage) plain(g matrix.Guest) (*bootable, part) {
	b := s.run.booted[g.Kernel+"/"+g.Arch]
	return b, parts(s.run.plan.Probes, b.build.Arch)[0]
}

// An Answer is how fast a guest was, from the start of QEMU or from the wish
// for a fork.
type Answer struct {
	Forked bool
	First  time.Duration // the first probe has answered
	End    time.Duration // QEMU is gone
}

// Answer starts the same machine as Guest does, and has it run the first of
// its probes only, so that a sample does not take as long as all of them.
func (s *Stage) Answer(ctx context.Context, g matrix.Guest, boot bool) (Answer, error) {
	s.run.Boot = boot
	b, p := s.plain(g)
	config := b.machine(g.Setting, nil)
	p.variant.apply(b, &config)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(float64(cellTimeout)*config.Scale))
	defer cancel()
	start := time.Now()
	m, forked, err := s.run.start(ctx, b, g, p, config)
	if err != nil {
		return Answer{}, err
	}
	defer m.Close(context.WithoutCancel(ctx))
	var first time.Time
	err = m.Exchange(ctx, func(port io.ReadWriter) (err error) {
		first, err = exchange(port, request(g, p.probes[:1], config.Scale, false), &matrix.Result{Guest: g})
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("run %s: %w", g.ID(), err)
	}
	if end := m.PowerOff(ctx); end.Cause != vm.PoweredOff {
		return Answer{}, fmt.Errorf("power off %s: %s", g.ID(), end)
	}
	return Answer{forked, first.Sub(start), time.Since(start)}, nil
}

// Initramfs makes a guest's root file system once more, as each run does.
func (s *Stage) Initramfs(ctx context.Context, g matrix.Guest) error {
	b := s.run.booted[g.Kernel+"/"+g.Arch]
	_, err := initramfs.Build(ctx, initramfs.Config{Arch: b.build.Arch, Cache: s.run.Cache, Files: payloads(b.built)})
	return err
}

// Machine is the machine that a guest of the plan boots on.
func (s *Stage) Machine(g matrix.Guest) vm.Config {
	return s.run.booted[g.Kernel+"/"+g.Arch].machine(g.Setting, nil)
}

// ForkMemoryMiB is the RAM of a fork of the plan's plain machine, in MiB.
func (s *Stage) ForkMemoryMiB() int { return baseMiB + s.run.workers(part{})*workerMiB }
