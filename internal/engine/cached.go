package engine

import (
	"context"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// Cached lists those of the plan's kernels that are in the cache, and those that Build
// would have to build or fetch, without a path. It builds and fetches nothing.
func Cached(ctx context.Context, p *plan.Plan, o Options) (cached, missing []Image, err error) {
	b := &kernels.Builder{Cache: o.Cache}
	for _, build := range p.Builds {
		built, ok, err := b.Lookup(ctx, p.Spec(build))
		if err != nil {
			return cached, missing, interrupted(ctx, err)
		}
		if image := (Image{build.Kernel.Name, build.Arch.Name, built.Image}); ok {
			cached = append(cached, image)
		} else {
			missing = append(missing, image)
		}
	}
	return cached, missing, nil
}
