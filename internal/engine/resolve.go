package engine

import (
	"context"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// Resolve looks up the inputs of a selection and makes the plan. It builds and
// fetches nothing. cache is that of kernels; empty: kernels.DefaultCache(). An
// error in the selection is a *plan.UsageError, and an error in a file, image
// or source that it names a *kernels.InputError.
func Resolve(ctx context.Context, sel plan.Selection, cache string) (*plan.Plan, error) {
	if err := sel.Check(); err != nil {
		return nil, err
	}
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	in := kernels.Inputs{Source: sel.Source, Series: sel.Series, Image: sel.Image, Config: sel.Config, Sites: sel.Sites, Modules: sel.Modules}
	if len(sel.Arches) == 1 {
		in.Arch = arch.Get(sel.Arches[0])
	}
	resolved, err := kernels.Resolve(ctx, in)
	if err != nil {
		return nil, err
	}
	b := &kernels.Builder{Tables: t, Cache: cache}
	return plan.New(t, sel, resolved, func(spec kernels.Spec) (kernels.Identity, error) { return b.Identify(ctx, spec) })
}
