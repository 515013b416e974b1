package review

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
)

// measure boots base and series, and compares them. If the series does not build, there
// is nothing to boot.
func (r *reviewer) measure(ctx context.Context) error {
	if last := r.result.Patches[len(r.result.Patches)-1]; len(last.Build) > 0 {
		r.result.Broken = "the source does not build with the whole series"
		return nil
	}
	before, err := r.runBase(ctx)
	if err != nil {
		return err
	}
	now, err := r.run(ctx, seriesName, r.kernel(true), r.spec.Series, r.selection())
	var none *engine.NoLockdownError
	if errors.As(err, &none) {
		r.result.Broken = "the kernel with the series has no lockdown LSM: " + none.Why
		return nil
	}
	if err != nil {
		return err
	}
	if r.result.Arches, err = changes.CompareSeries(before, now, baseName, seriesName); err != nil {
		return err
	}
	r.result.Machines = map[string]string{}
	for _, h := range now.Hosts() {
		r.result.Machines[h.Arch] = fmt.Sprintf("%s, %s", h.QEMU, strings.ToUpper(h.Accel))
	}
	for i := range r.result.Arches {
		a := &r.result.Arches[i]
		if err := r.time(ctx, a); err != nil {
			return err
		}
		if err := r.compareBuilds(ctx, a); err != nil {
			return err
		}
	}
	if r.Each {
		return r.each(ctx)
	}
	return nil
}

// selection is what runs on base and series.
func (r *reviewer) selection() plan.Selection {
	sel := plan.Selection{Settings: r.Settings, Scenarios: r.Scenarios, Probes: r.Probes}
	for _, a := range r.arches() {
		sel.Arches = append(sel.Arches, a.Name)
	}
	return sel
}

// run runs a selection on one kernel. Its results are in a directory of that name.
func (r *reviewer) run(ctx context.Context, dir string, k kernels.Kernel, series []kernels.Series, sel plan.Selection) (*matrix.Matrix, error) {
	sel.Kernels = []string{k.Name}
	t := r.tables.With(k)
	b := &kernels.Builder{Tables: t, Cache: r.Engine.Cache}
	in := kernels.Resolved{Source: r.source, Series: slices.Clone(series), Below: true}
	for i := range in.Series {
		in.Series[i].Notes = nil // they are in the review
	}
	p, err := plan.New(t, sel, in, func(s kernels.Spec) (kernels.Identity, error) { return b.Identify(ctx, s) })
	if err != nil {
		return nil, err
	}
	return engine.Run(ctx, p, r.out(dir))
}

// runTimed is run without forks, which do not boot.
func (r *reviewer) runTimed(ctx context.Context, dir string, k kernels.Kernel, series []kernels.Series, sel plan.Selection) (*matrix.Matrix, error) {
	own := r.Engine
	defer func() { r.Engine = own }()
	r.Engine.Boot = true
	return r.run(ctx, dir, k, series, sel)
}

// runBase runs the base, or takes the results that another version's review left of it.
func (r *reviewer) runBase(ctx context.Context) (*matrix.Matrix, error) {
	own := r.Engine
	defer func() { r.Engine = own }()
	if r.baseOut != "" {
		r.Engine.Out, r.Engine.Resume = r.baseOut, true
		m, err := r.run(ctx, baseName, r.kernel(false), nil, r.selection())
		if !errors.Is(err, engine.ErrOtherPlan) {
			return m, err
		}
		r.Engine = own // that version is for another base
	}
	return r.run(ctx, baseName, r.kernel(false), nil, r.selection())
}

// compareBuilds compares what is known of both kernels without a boot.
func (r *reviewer) compareBuilds(ctx context.Context, a *changes.Arch) error {
	var callers [2][]lockdown.Caller
	for i, spec := range []kernels.Spec{r.specOf(arch.Get(a.Arch), nil, false), r.specOf(arch.Get(a.Arch), r.spec.Series[0].Patches, true)} {
		built, ok, err := r.builder.Lookup(ctx, spec)
		if err != nil || !ok {
			return err // another ldlab has pruned the cache: nothing is known
		}
		if info, err := os.Stat(built.Image); err == nil {
			a.Image[i] = info.Size()
		}
		if callers[i], err = built.Callers(); err != nil {
			return err
		}
	}
	if len(callers[0]) > 0 && len(callers[1]) > 0 {
		a.Diff.Calls = changes.IntoHelpers(a.Diff.Calls, callers[0], callers[1])
		a.Callers = changes.CompareCallers(callers[0], callers[1], a.Diff.Calls)
	}
	return nil
}

// rounds is how often each of both kernels boots for its time.
const rounds = 3

// time boots both kernels in turns, one guest at a time, because guests beside each
// other take each other's time. The fastest boot counts.
func (r *reviewer) time(ctx context.Context, a *changes.Arch) error {
	sel := plan.Selection{Arches: []string{a.Arch}, Settings: []string{"none"}, Probes: []string{"securityfs/show"}}
	for n := range 2 * rounds {
		k, series := r.kernel(n%2 == 1), r.spec.Series
		if n%2 == 0 {
			series = nil
		}
		m, err := r.runTimed(ctx, fmt.Sprintf("time/%s-%s-%d", k.Name, a.Arch, n/2+1), k, series, sel)
		if err != nil {
			return err
		}
		for _, t := range m.Tables {
			for _, c := range t.Columns {
				for _, p := range c.Timing {
					if p.Name == guestproto.MarkReady && !c.Forked && c.End.Well() && (a.Boot[n%2] == 0 || p.MS < a.Boot[n%2]) {
						a.Boot[n%2] = p.MS
					}
				}
			}
		}
	}
	return nil
}

// each finds, for every cell that changed, the first patch after which it has the
// verdict that it has with the whole series.
func (r *reviewer) each(ctx context.Context) error {
	patches := r.spec.Series[0].Patches
	for i := range r.result.Arches {
		a := &r.result.Arches[i]
		sel := plan.Selection{Arches: []string{a.Arch}}
		for _, c := range a.Diff.Changes {
			if !slices.Contains(sel.Probes, c.Probe) {
				sel.Probes = append(sel.Probes, c.Probe)
			}
			for _, s := range c.Settings {
				if !slices.Contains(sel.Settings, s) {
					sel.Settings = append(sel.Settings, s)
				}
			}
		}
		if len(sel.Probes) == 0 {
			continue
		}
		for n := 1; n < len(patches); n++ {
			if len(r.result.Patches[n-1].Build) > 0 {
				continue // this step does not build
			}
			m, err := r.run(ctx, fmt.Sprintf("%s-%d", a.Arch, n), r.kernel(false), []kernels.Series{{Name: r.Series, Patches: patches[:n], Fuzz: r.spec.Series[0].Fuzz}}, sel)
			if err != nil {
				return err
			}
			a.Attribute(m, patches[n-1].Name)
		}
		a.AttributeRest(patches[len(patches)-1].Name)
	}
	return nil
}
