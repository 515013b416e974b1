package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
)

// oneProbe is the probe that every tool runs in its guest: opening /dev/mem.
const oneProbe = "devmem/open"

// labSubjects measure the lab's own guests of one architecture.
func labSubjects(arch string) []subject {
	one := plan.Selection{Arches: []string{arch}, Settings: []string{"none"}, Probes: []string{oneProbe}}
	all := plan.Selection{Arches: []string{arch}, Settings: []string{"none"}}
	var w weighing
	return []subject{
		{id: arch + "/floor", title: "the lab's kernel and an init that powers off, " + arch, unit: "s", turns: maxTurns, open: floor(one)},
		{id: arch + "/initramfs", title: "the initramfs step, " + arch, unit: "s", open: initramfs(one)},
		{id: arch + "/boot", title: "initramfs step, and boot to the first answer, " + arch, unit: "s", turns: maxTurns, open: bootWithInitramfs(one)},
		{id: arch + "/boot-one", title: "boot to the first answer, " + arch, unit: "s", turns: maxTurns, open: booted(one)},
		{id: arch + "/fork-one", title: "fork to the first answer, " + arch, unit: "s", turns: maxTurns, open: forked(one)},
		{id: arch + "/boot-all", title: "boot to the first answer of every probe, " + arch, unit: "s", open: booted(all)},
		{id: arch + "/fork", title: "fork to the first answer of every probe, " + arch, unit: "s", open: forked(all)},
		{id: arch + "/fork-first", title: "memory that a fork has for itself at its first answer, QEMU included, " + arch, unit: "MiB", most: 3, open: forkWeighed(all, &w, func(w *weighing) int64 { return w.first.all })},
		{id: arch + "/fork-first-ram", title: "of it, pages of guest RAM, " + arch, unit: "MiB", most: 3, open: weighedBefore(&w, func(w *weighing) int64 { return w.first.ram })},
		{id: arch + "/fork-most", title: "the same when it is most, every probe run, " + arch, unit: "MiB", most: 3, open: weighedBefore(&w, func(w *weighing) int64 { return w.most.all })},
		{id: arch + "/fork-most-ram", title: "of it, pages of guest RAM, " + arch, unit: "MiB", most: 3, open: weighedBefore(&w, func(w *weighing) int64 { return w.most.ram })},
		{id: arch + "/guest-memory", title: "RAM of a fork, " + arch, unit: "MiB", most: 1, open: guestMemory(all)},
	}
}

// stage prepares a plan of one guest.
func (b *bench) stage(ctx context.Context, sel plan.Selection) (*engine.Stage, matrix.Guest, error) {
	p, err := engine.Resolve(ctx, sel, b.cache)
	if err != nil {
		return nil, matrix.Guest{}, err
	}
	if len(p.Guests) != 1 {
		return nil, matrix.Guest{}, fmt.Errorf("plan has %d guests, want one", len(p.Guests))
	}
	s, err := engine.NewStage(ctx, p, engine.Options{Out: b.dir, Cache: b.cache, Event: b.event})
	if err != nil {
		return nil, matrix.Guest{}, err
	}
	b.onClose(s.Close)
	b.sawMachines(s.Hosts())
	return s, p.Guests[0], nil
}

// event shows slow steps before the first round.
func (b *bench) event(e engine.Event) {
	switch {
	case e.Note != "":
		fmt.Fprintf(b.log, "  %s\n", e.Note)
	case e.Build != nil && e.Build.Done == 0:
		fmt.Fprintf(b.log, "  %s %s: %s\n", e.Build.Kernel, e.Build.Arch, e.Build.Phase)
	}
}

// answer runs a guest and returns the time to its first answer.
func answer(ctx context.Context, s *engine.Stage, g matrix.Guest, boot bool) (time.Duration, error) {
	return reach(ctx, s, g, boot, engine.FirstAnswer)
}

// reach runs a guest and returns the time to a phase.
func reach(ctx context.Context, s *engine.Stage, g matrix.Guest, boot bool, phase string) (time.Duration, error) {
	res := s.Guest(ctx, g, boot)
	switch {
	case !res.End.Well():
		return 0, fmt.Errorf("run %s: %s: %s", g.ID(), res.End.Ending, res.End)
	case res.Plain().Forked == boot:
		return 0, fmt.Errorf("run %s: forked: %t", g.ID(), res.Plain().Forked)
	}
	took := engine.Reached(res, phase)
	if took <= 0 {
		return 0, fmt.Errorf("run %s: it has no phase %q", g.ID(), phase)
	}
	return took, nil
}

func booted(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		return func(ctx context.Context) (float64, error) {
			d, err := answer(ctx, s, g, true)
			return d.Seconds(), err
		}, err
	}
}

// bootWithInitramfs includes the initramfs step, which peers do in each run.
func bootWithInitramfs(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return bootTo(sel, engine.FirstAnswer)
}

// bootToEnd also counts the power-off, as a peer's run does.
func bootToEnd(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return bootTo(sel, engine.Ended)
}

func bootTo(sel plan.Selection, phase string) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		return func(ctx context.Context) (float64, error) {
			start := time.Now()
			if err := s.Initramfs(ctx, g); err != nil {
				return 0, err
			}
			step := time.Since(start)
			d, err := reach(ctx, s, g, true, phase)
			return (step + d).Seconds(), err
		}, err
	}
}

func initramfs(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		return func(ctx context.Context) (float64, error) {
			start := time.Now()
			err := s.Initramfs(ctx, g)
			return time.Since(start).Seconds(), err
		}, err
	}
}

// forked forks from an existing template: the first fork, which may have to
// make it, is not a sample.
func forked(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		if err != nil {
			return nil, err
		}
		_, err = answer(ctx, s, g, false)
		return func(ctx context.Context) (float64, error) {
			d, err := answer(ctx, s, g, false)
			return d.Seconds(), err
		}, err
	}
}
