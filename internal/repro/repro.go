// Package repro runs findings: a plan for each kernel that they need, and what its
// matrix makes of them.
package repro

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// Options are how findings are run.
type Options struct {
	engine.Options
	Arches []string // empty: all that a finding names
	Cached bool     // build nothing: a claim about a kernel that is not in the cache stays undecided

	// Series are a user's copy of the posted series: the claims about our own one
	// run against it, on a kernel without any other patch, and no other claims do.
	Series []string

	// Patches is where the findings' own patches are looked for, beside those of
	// the lab; empty: nowhere.
	Patches string
}

// Posted is the kernel of the claims about the posted series, and Bare the one that
// gets a user's copy of it.
const (
	Posted = "posted"
	Bare   = "bare"
)

// errNotCached is why a kernel was not booted.
var errNotCached = errors.New("the kernel is not in the cache, and --cached builds none")

// Run runs the findings and returns an outcome for each, in their order. A kernel
// that cannot be built leaves its findings undecided; if no kernel could be run, that
// is the error. On engine.ErrInterrupted the results until then are kept in
// Options.Out, and there are no outcomes.
func Run(ctx context.Context, list []findings.Finding, o Options) ([]findings.Outcome, error) {
	return decide(ctx, list, o, one)
}

// Earlier is Run without a run: it judges the results that an earlier one left in
// Options.Out. A finding that was not run then, or has other steps now, is undecided.
func Earlier(ctx context.Context, list []findings.Finding, o Options) ([]findings.Outcome, error) {
	return decide(ctx, list, o, func(_ context.Context, r findings.Run, o Options) (*matrix.Matrix, error) {
		set, err := results.Load(filepath.Join(o.Out, r.Name()))
		if err != nil {
			return nil, err
		}
		return set.Matrix()
	})
}

// decide takes the matrix of each run from a function, and decides the findings.
func decide(ctx context.Context, list []findings.Finding, o Options, measure func(context.Context, findings.Run, Options) (*matrix.Matrix, error)) ([]findings.Outcome, error) {
	if len(o.Series) > 0 {
		list = onBare(list)
	}
	found := map[string][]findings.Result{}
	ran, failed := false, error(nil)
	for _, r := range findings.Runs(list, o.Arches) {
		m, err := measure(ctx, r, o)
		if ctx.Err() != nil || errors.Is(err, engine.ErrInterrupted) {
			return nil, engine.ErrInterrupted
		}
		if errors.Is(err, engine.ErrResultsThere) || errors.Is(err, engine.ErrOtherPlan) || errors.As(err, new(*plan.UsageError)) || errors.As(err, new(*kernels.InputError)) && r.Patch == "" {
			return nil, err
		}
		ran = ran || m != nil || errors.Is(err, errNotCached)
		if err != nil {
			failed = cmp.Or(failed, err)
			o.note("%s: %v", r.Name(), err)
		}
		for _, f := range r.Findings {
			found[f.ID] = append(found[f.ID], r.Judge(f, m, err))
		}
	}
	if !ran && failed != nil {
		return nil, failed
	}
	var all []findings.Outcome
	for _, f := range list {
		all = append(all, findings.Decide(f, found[f.ID]))
	}
	return all, nil
}

func (o Options) note(format string, args ...any) {
	if o.Event != nil {
		o.Event(engine.Event{Note: fmt.Sprintf(format, args...)})
	}
}

// onBare has the claims about the posted series, on a kernel that gets it from the
// user. Single reasons can be locked only where the lab's own file is.
func onBare(list []findings.Finding) (bare []findings.Finding) {
	for _, f := range list {
		if f.Kernel != Posted {
			continue
		}
		f.Kernel = Bare
		for _, set := range f.Settings() {
			if s, err := lockdown.ParseSetting(set); err == nil && s.CheckInterface(lockdown.Upstream) != nil {
				f.OutOfReach = fmt.Sprintf("setting %s: the posted series has no way for user space to lock single reasons", set)
				f.Expect = findings.NotApplicable
			}
		}
		bare = append(bare, f)
	}
	return bare
}

// Check reports a finding that cannot be planned: it has no such kernel or patch, or a
// setting that the kernel cannot have. patches is where a finding's own patches are. The
// error is a *plan.UsageError, with the place in the finding's file.
func Check(list []findings.Finding, patches string) error {
	t, err := kernels.Load()
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := check(t, f, patches); err != nil {
			return &plan.UsageError{Text: err.Error()}
		}
	}
	return nil
}

// check checks one finding. The error is a *findings.Error.
func check(t *kernels.Tables, f findings.Finding, patches string) error {
	k, ok := t.Kernel(f.Kernel)
	if !ok {
		return f.At("kernel", "there is no kernel %q: \"ldlab list kernels\"", f.Kernel)
	}
	for i, step := range f.Steps {
		text, key := f.Setting, "setting"
		if step.Setting != "" {
			text, key = step.Setting, fmt.Sprintf("steps[%d].setting", i)
		}
		s, err := lockdown.ParseSetting(text)
		if err == nil {
			err = s.CheckInterface(k.Interface)
		}
		if err != nil {
			return f.At(key, "kernel %s: %v", k.Name, err)
		}
	}
	for _, patch := range []struct{ key, name string }{{"patch", f.Patch}, {"on_top", f.OnTop}} {
		if patch.name == "" {
			continue
		}
		if _, _, err := findPatch(patch.name, patches); err != nil {
			return f.At(patch.key, "%v", err)
		}
	}
	return nil
}

// one runs one plan.
func one(ctx context.Context, r findings.Run, o Options) (*matrix.Matrix, error) {
	sel := r.Selection()
	sel.Series = slices.Clone(o.Series)
	o.Out = filepath.Join(o.Out, r.Name())
	if r.Patch != "" {
		paths, err := patchFiles(r.Patch, o.Patches, o.Out)
		if err != nil {
			return nil, err
		}
		sel.Series = append(sel.Series, paths...)
	}
	p, err := engine.Resolve(ctx, sel, o.Cache)
	if err != nil {
		return nil, err
	}
	if o.Cached {
		if _, missing, err := engine.Cached(ctx, p, o.Options); err != nil || len(missing) > 0 {
			return nil, errors.Join(err, errNotCached)
		}
	}
	return engine.Run(ctx, p, o.Options)
}
