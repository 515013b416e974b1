package lab

import (
	"context"
	"fmt"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// CoverageSelection asks for a plan that Coverage can start from: nothing
// locked, and everything, at boot and at run time.
func CoverageSelection(sel Selection) Selection {
	sel.Settings = mutationSettings
	return sel
}

// Coverage runs the plan and says which calls of security_locked_down() it
// exercised, kernel by kernel.
func Coverage(ctx context.Context, p *Plan, o Options) ([]matrix.Coverage, *matrix.Matrix, error) {
	r, m, results, err := measured(ctx, p, o)
	if err != nil {
		return nil, m, err
	}
	defer r.closeTemplates()
	var all []matrix.Coverage
	for _, build := range p.Builds {
		b := r.booted[build.Kernel.Name+"/"+build.Arch.Name]
		all = append(all, matrix.Cover(build.Kernel.Name, build.Arch.Name, b.sites, results,
			func(call string) string { return kernels.WhyAbsent(call, b.built) },
			func(call string) string { return scenarios.KnownNotReached(call, build.Arch.Name) }))
	}
	return all, m, nil
}

// measured runs a plan on kernels that tell their call sites, and keeps the
// run, for more of its guests. Its templates are the caller's to close.
func measured(ctx context.Context, p *Plan, o Options) (r *run, m *matrix.Matrix, results []matrix.Result, err error) {
	r = newRun(p, o)
	r.guest = r.boot
	if err := r.preflight(); err != nil {
		return nil, nil, nil, err
	}
	_, err = r.prepare(ctx)
	if err != nil {
		return nil, nil, nil, interrupted(ctx, err)
	}
	for _, build := range p.Builds {
		if b := r.booted[build.Kernel.Name+"/"+build.Arch.Name]; len(b.sites.Present) == 0 {
			return nil, nil, nil, fmt.Errorf("look for call sites of %s %s: the kernel does not count its checks: it lacks the lab series", build.Kernel.Name, build.Arch.Name)
		}
	}
	if m, err = r.measure(ctx); err == nil {
		_, results, err = readResults(r.Out)
	}
	if err != nil {
		r.closeTemplates()
		return nil, m, nil, err
	}
	return r, m, results, nil
}
