package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Coverage runs the plan (see plan.ForSites) and finds out which calls of
// security_locked_down() it exercised, kernel by kernel. Its kernels must have
// the lab series.
func Coverage(ctx context.Context, p *plan.Plan, o Options) ([]matrix.Coverage, *matrix.Matrix, error) {
	s, b, err := openForSites(ctx, p, o)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	defer b.close()
	m, set, err := b.measure(ctx)
	if err != nil {
		return nil, m, err
	}
	var all []matrix.Coverage
	for _, build := range p.Builds {
		k := s.kernels[keyOf(build)]
		callers, listed, err := s.callers(k)
		if err != nil {
			return nil, m, err
		}
		all = append(all, matrix.Cover(matrix.Target{
			Kernel: build.Kernel.Name, Arch: build.Arch.Name, Version: k.record.Origin.BaseVersion, Sites: k.sites,
			WhyAbsent:     func(call string) string { return kernels.WhyAbsent(call, k.built) },
			WhyNotReached: func(call string) string { return scenarios.KnownNotReached(call, build.Arch.Name, k.built.ConfigValue) },
			Callers:       callers, Listed: listed,
		}, set.Results))
	}
	return all, m, nil
}

// callers returns the ways into the call sites of a kernel, and those that the
// table lists.
func (s *Stage) callers(k *kernel) (callers []lockdown.Caller, listed []matrix.Listed, err error) {
	if callers, err = k.built.Callers(); err != nil {
		return nil, nil, err
	}
	if len(callers) == 0 {
		s.note("%s: the callers of its call sites are not known: only a kernel that the lab built for one address (CONFIG_RELOCATABLE=n) shows them", keyOf(k.build))
		return nil, nil, nil
	}
	known, err := kernels.KnownCallers(k.built)
	for _, c := range known {
		listed = append(listed, matrix.Listed{Caller: c.Caller, By: c.By, Why: c.Why})
	}
	return callers, listed, err
}

// checkCounting returns an error, before anything is built, if a kernel of the
// plan cannot have the lab series: the table does not give it, and the user gives
// no series.
func checkCounting(p *plan.Plan) error {
	if p.Inputs.Image != nil || len(p.Inputs.Series) > 0 {
		return nil // only the kernel itself shows it
	}
	for _, b := range p.Builds {
		if !slices.Contains(b.Kernel.Series, "lab") {
			return &plan.UsageError{Text: fmt.Sprintf("kernel %s does not count its checks, because it lacks the lab series", b.Kernel.Name)}
		}
	}
	return nil
}

// openForSites returns a stage and a batch of kernels whose call sites are
// known. The caller closes both.
func openForSites(ctx context.Context, p *plan.Plan, o Options) (*Stage, *batch, error) {
	if err := checkCounting(p); err != nil {
		return nil, nil, err
	}
	return open(ctx, p, o, func(k *kernel) error {
		if !k.counts() {
			return fmt.Errorf("find call sites of %s: the kernel does not count its checks, because it lacks the lab series", keyOf(k.build))
		}
		return nil
	})
}
