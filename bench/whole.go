package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// runSubjects measure whole runs.
func runSubjects() []subject {
	return []subject{
		{id: "isolation/forks", title: "isolation matrix of x86_64 by forks", unit: "s", phase: whole, open: isolation(false)},
		{id: "isolation/boots", title: "isolation matrix of x86_64 by a boot per setting", unit: "s", phase: whole, most: 1, open: isolation(true)},
		{id: "isolation/cells", title: "isolation matrix of x86_64 by a boot per cell, from the cells of 3 probes", unit: "s", phase: whole, most: 1, open: isolationCells},
		{id: "run/default", title: "the default run, kernels built", unit: "s", phase: whole, open: defaultRun},
		{id: "run/guests", title: "guests of the default run", unit: "guests", phase: whole, most: 1, open: defaultGuests},
		{id: "patch/verdict", title: "a one-line patch to its verdict, x86_64", unit: "s", phase: whole, open: openPatch},
		{id: "review/one", title: "a review of three patches of lockdown, base built, x86_64", unit: "s", phase: whole, most: 1, open: reviewed("x86_64", false)},
		{id: "review/each", title: "the same, patch by patch", unit: "s", phase: whole, most: 1, open: reviewed("x86_64", true)},
		{id: "review/both", title: "the same, both architectures", unit: "s", phase: whole, most: 1, open: reviewed("", false)},
		{id: "review/mails", title: "reading a mailbox of 1,000 mails", unit: "s", phase: short, open: mails},
		{id: "debian/settings", title: "three settings of debian:6.12-cloud, x86_64, fetched", unit: "s", phase: whole, open: distribution},
		{id: coldID, title: "a cold kernel build without compiler cache, x86_64", unit: "s", phase: last, most: 1, open: openCold},
	}
}

// isolation runs every probe under every single reason that a probe checks.
func isolation(boot bool) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		p, err := isolationPlan(ctx, b)
		if err != nil {
			return nil, err
		}
		return b.asExpected(ctx, p, boot)
	}
}

// sampledProbes is the number of probes whose cells isolationCells boots.
const sampledProbes = 3

// isolationCells boots a guest for each cell of a setting and a probe, as one
// would without forks to isolate probes from each other. There are thousands of
// cells, so it boots those of some probes and extrapolates.
func isolationCells(ctx context.Context, b *bench) (sampler, error) {
	p, err := isolationPlan(ctx, b)
	if err != nil {
		return nil, err
	}
	probes := slices.DeleteFunc(slices.Clone(p.Probes), func(id string) bool {
		row, ok := scenarios.Find(id)
		return !ok || !row.On("x86_64")
	})
	var columns []sampler
	for i := range sampledProbes { // evenly spread
		sel := plan.Selection{Arches: []string{"x86_64"}, Probes: []string{probes[(2*i+1)*len(probes)/(2*sampledProbes)]}}
		for _, g := range p.Guests {
			sel.Settings = append(sel.Settings, g.Setting.String())
		}
		column, err := engine.Resolve(ctx, sel, b.cache)
		if err != nil {
			return nil, err
		}
		s, err := b.asExpected(ctx, column, true)
		if err != nil {
			return nil, err
		}
		columns = append(columns, s)
	}
	return func(ctx context.Context) (float64, error) {
		sum := 0.0
		for _, s := range columns {
			took, err := s(ctx)
			if err != nil {
				return 0, err
			}
			sum += took
		}
		return sum / sampledProbes * float64(len(probes)), nil
	}, nil
}

func isolationPlan(ctx context.Context, b *bench) (*plan.Plan, error) {
	all, err := engine.Resolve(ctx, plan.Selection{Arches: []string{"x86_64"}}, b.cache)
	if err != nil {
		return nil, err
	}
	var alone []string
	for _, g := range all.Guests {
		if s := g.Setting; s.Level == lockdown.None && len(s.Reasons) == 1 && s.Via == lockdown.Runtime {
			alone = append(alone, s.String())
		}
	}
	return engine.Resolve(ctx, plan.Selection{Arches: []string{"x86_64"}, Settings: alone}, b.cache)
}

func defaultRun(ctx context.Context, b *bench) (sampler, error) {
	p, err := engine.Resolve(ctx, plan.Selection{}, b.cache)
	if err != nil {
		return nil, err
	}
	return b.asExpected(ctx, p, false)
}

func defaultGuests(ctx context.Context, b *bench) (sampler, error) {
	p, err := engine.Resolve(ctx, plan.Selection{}, b.cache)
	return func(context.Context) (float64, error) { return float64(len(p.Guests)), nil }, err
}

// asExpected times runs of a plan whose verdicts must all be as expected,
// because a fast wrong run must not count. Its kernels are built first.
func (b *bench) asExpected(ctx context.Context, p *plan.Plan, boot bool) (sampler, error) {
	if _, err := engine.Build(ctx, p, engine.Options{Cache: b.cache, Event: b.event}); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (float64, error) {
		m, took, err := b.wholeRun(ctx, p, boot)
		if err == nil && !m.AsExpected() {
			err = fmt.Errorf("run plan: verdicts are not as expected: %v", m.Count())
		}
		return took, err
	}, nil
}

// wholeRun runs a plan from its first step to its reports.
func (b *bench) wholeRun(ctx context.Context, p *plan.Plan, boot bool) (*matrix.Matrix, float64, error) {
	out, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return nil, 0, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(out)
	start := time.Now()
	m, err := engine.Run(ctx, p, engine.Options{Out: out, Cache: b.cache, Boot: boot})
	took := time.Since(start).Seconds()
	if err == nil && len(m.Errors()) > 0 {
		err = fmt.Errorf("run %s", m.Errors()[0])
	}
	return m, took, err
}
