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
	r := newRun(p, o)
	r.guest = r.boot
	if err := r.preflight(); err != nil {
		return nil, nil, err
	}
	machines, err := r.prepare(ctx)
	if err != nil {
		return nil, nil, interrupted(ctx, err)
	}
	defer r.closeTemplates()
	m, err := r.measure(ctx, machines)
	if err != nil {
		return nil, m, err
	}
	_, results, err := readResults(r.Out)
	if err != nil {
		return nil, m, err
	}
	var all []matrix.Coverage
	for _, build := range p.Builds {
		b := r.booted[build.Kernel.Name+"/"+build.Arch.Name]
		if len(b.sites.Present) == 0 {
			return nil, m, fmt.Errorf("cover %s %s: the kernel does not tell its call sites: it lacks the lab series", build.Kernel.Name, build.Arch.Name)
		}
		all = append(all, matrix.Cover(build.Kernel.Name, build.Arch.Name, b.sites, results,
			func(call string) string { return kernels.WhyAbsent(call, b.built) },
			func(call string) string { return scenarios.Unreached(call, build.Arch.Name) }))
	}
	return all, m, nil
}
