// Package sourcemutants builds and boots the mutants of the source, several patches
// in a kernel, and judges each by the probe that its row names (kernels/mutants).
package sourcemutants

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// Run builds and boots the chosen mutants of the source: those of the plan's
// kernels and architectures. Patches that are not tied share a kernel. A mutant
// that survives there, and each of a batch that cannot be judged, runs again in a
// kernel of its own before it has a status. The results of each kernel are in a
// directory of its own below Options.Out, so an interrupted run can be resumed.
func Run(ctx context.Context, p *plan.Plan, o engine.Options, choice engine.MutantChoice) ([]matrix.Mutation, error) {
	all, err := kernels.SourceMutants()
	if err != nil {
		return nil, err
	}
	r := &runner{source: p.Selection.Source, series: p.Selection.Series, options: o, measure: measure}
	var list []matrix.Mutation
	for _, build := range p.Builds {
		m := matrix.Mutation{Kernel: build.Kernel.Name, Arch: build.Arch.Name, Interface: build.Kernel.Interface}
		var chosen []kernels.SourceMutant
		n := 0
		for _, x := range all {
			if x.Kernel != m.Kernel || x.Arch != m.Arch || !choice.Matches(x.Patch) {
				continue
			}
			if choice.Nth(n) {
				chosen = append(chosen, x)
			}
			n++
		}
		if len(chosen) == 0 {
			continue
		}
		if m.Mutants, err = r.run(ctx, chosen, choice.Alone); err != nil {
			return nil, err
		}
		m.Origin = r.origin
		list = append(list, m)
	}
	if len(list) == 0 {
		text := "no mutant of the source is for these kernels and architectures"
		if choice.Match != "" {
			text += fmt.Sprintf(" and has %q in the name of its patch (--match)", choice.Match)
		}
		return nil, &plan.UsageError{Text: text}
	}
	return list, nil
}

// measure builds and boots a selection.
func measure(ctx context.Context, sel plan.Selection, o engine.Options) (*matrix.Matrix, error) {
	p, err := engine.Resolve(ctx, sel, o.Cache)
	if err != nil {
		return nil, err
	}
	return engine.Run(ctx, p, o)
}

// A runner runs batches.
type runner struct {
	source  string   // see plan.Selection
	series  []string // below those of the mutants
	options engine.Options
	measure func(context.Context, plan.Selection, engine.Options) (*matrix.Matrix, error)

	origin matrix.Origin // of the kernel below the mutants, as far as they share it
	found  map[string]matrix.Mutant
	errors []matrix.Mutant // what no mutant explains
}

// run runs mutants of one kernel and architecture and returns them in their order,
// and after them an error for each unexpected verdict that none explains.
func (r *runner) run(ctx context.Context, chosen []kernels.SourceMutant, alone bool) ([]matrix.Mutant, error) {
	r.origin, r.found, r.errors = matrix.Origin{}, map[string]matrix.Mutant{}, nil
	list := batches(chosen, alone)
	for i, b := range list {
		r.note("kernel %d of %d with mutants of the source: %s", i+1, len(list), b.names())
		if err := r.batch(ctx, b); err != nil {
			return nil, err
		}
	}
	var mutants []matrix.Mutant
	for _, x := range chosen {
		mutants = append(mutants, r.found[id(x)])
	}
	return append(mutants, r.errors...), nil
}

// id tells a row of the table of mutants from each other one of its kernel.
func id(x kernels.SourceMutant) string { return fmt.Sprint(x.Patch, x.Cell, x.Settings) }

func (r *runner) note(format string, args ...any) {
	if r.options.Event != nil {
		r.options.Event(engine.Event{Note: fmt.Sprintf(format, args...)})
	}
}

// batch runs a batch. What cannot be judged there runs alone.
func (r *runner) batch(ctx context.Context, b batch) error {
	if len(b) == 1 {
		_, err := r.alone(ctx, b[0], b)
		return err
	}
	m, err := r.boot(ctx, b, b)
	if fatal(err) {
		return err
	}
	var again []patch
	var strays []stray
	like := func(p patch) batch { return batch{p} } // of whose scenarios and settings a patch runs
	if why := doubt(m, err); why != "" {
		r.note("the kernel cannot be judged (%s): each of its patches runs alone", why)
		again = b
	} else if strays = b.strays(m); len(strays) > 0 {
		r.note("no patch explains %s: each patch of the kernel runs alone", strays[0].saw[0])
		again, like = b, func(patch) batch { return b }
	} else {
		again = r.judged(b, m)
	}
	for _, p := range again {
		m, err := r.alone(ctx, p, like(p))
		if err != nil {
			return err
		}
		if m != nil {
			blame(strays, p, m)
		}
	}
	r.errors = append(r.errors, b.errors(strays)...)
	return nil
}

// judged judges the mutants of a batch and returns the patches that have a mutant
// which was not killed.
func (r *runner) judged(b batch, m *matrix.Matrix) (again []patch) {
	for _, p := range b {
		killed := true
		for _, x := range p.mutants {
			found := judge(x, m)
			r.found[id(x)] = found
			killed = killed && found.Status == matrix.Killed
		}
		if !killed {
			r.note("%s was not killed together with other patches: it runs alone", p.Name())
			again = append(again, p)
		}
	}
	return again
}

// alone runs one patch, with the scenarios and settings of a batch, and judges its
// mutants. The matrix is nil if there is none, such as of a patch that does not
// apply.
func (r *runner) alone(ctx context.Context, p patch, like batch) (*matrix.Matrix, error) {
	m, err := r.boot(ctx, batch{p}, like)
	if fatal(err) {
		return nil, err
	}
	for _, x := range p.mutants {
		if err != nil {
			r.found[id(x)] = matrix.Mutant{Kind: matrix.Source, Site: x.Name(), Status: matrix.MutantError, Why: err.Error()}
		} else {
			r.found[id(x)] = judge(x, m)
		}
	}
	return m, nil
}

// fatal reports whether an error is not that of the patches.
func fatal(err error) bool {
	return errors.Is(err, engine.ErrInterrupted) || errors.Is(err, engine.ErrResultsThere) || errors.Is(err, engine.ErrOtherPlan)
}

// boot builds the kernel with the batch's patches and boots it with the scenarios
// and settings of like.
func (r *runner) boot(ctx context.Context, b, like batch) (*matrix.Matrix, error) {
	dir := filepath.Join(r.options.Out, "source")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make results directory: %w", err)
	}
	sel := plan.Selection{Kernels: []string{b[0].Kernel}, Arches: []string{b[0].Arch}, Settings: like.settingsOf(), Scenarios: like.scenariosOf(), Source: r.source, Series: slices.Clone(r.series)}
	digest := sha256.New()
	for _, p := range b {
		path, err := p.Write(dir)
		if err != nil {
			return nil, fmt.Errorf("write mutant: %w", err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read mutant: %w", err)
		}
		fmt.Fprintf(digest, "%s %x\n", p.Patch, sha256.Sum256(text))
		sel.Series = append(sel.Series, path)
	}
	fmt.Fprintln(digest, sel.Scenarios, sel.Settings)
	name := b[0].Name()
	if len(b) > 1 {
		name = fmt.Sprintf("%s+%d", name, len(b)-1)
	}
	o := r.options
	o.Out = filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%.6x", name, b[0].Kernel, b[0].Arch, digest.Sum(nil)))
	m, err := r.measure(ctx, sel, o)
	if ctx.Err() != nil {
		return nil, engine.ErrInterrupted
	}
	if err == nil && len(m.Header.Kernels) > 0 {
		of := m.Header.Kernels[0].Origin
		r.origin = matrix.Origin{Base: of.Base, BaseVersion: of.BaseVersion, BaseSHA256: of.BaseSHA256}
	}
	return m, err
}
