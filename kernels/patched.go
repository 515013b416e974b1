package kernels

import (
	"context"

	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// What a review of a series needs of the rooms below.
type (
	Patch         = patchset.Patch
	Patched       = build.Patched
	Warnings      = build.Warnings
	ApplyError    = patchset.ApplyError
	MismatchError = patchset.MismatchError
	RefusedError  = patchset.RefusedError
	VersionError  = build.VersionError
	ConfigError   = kconfig.CheckError
)

// Patch applies the series of a kernel to its source, which is fetched if it is not in
// the cache. It builds nothing. Errors are those of Build.
func (b *Builder) Patch(ctx context.Context, spec Spec) (Patched, error) {
	builder, recipe, err := b.resolve(spec)
	if err != nil {
		return Patched{}, err
	}
	p, err := builder.Patch(ctx, recipe)
	return p, blame(spec, err)
}

// Warn compiles files in C of the kernel's patched source with W=1.
func (b *Builder) Warn(ctx context.Context, spec Spec, files []string) (Warnings, error) {
	builder, recipe, err := b.resolve(spec)
	if err != nil {
		return Warnings{}, err
	}
	w, err := builder.Warn(ctx, recipe, files)
	return w, blame(spec, err)
}

// With is the tables with one more kernel, or with another one of its name.
func (t *Tables) With(k Kernel) *Tables {
	more := *t
	more.kernels = []Kernel{k}
	for _, other := range t.kernels {
		if other.Name != k.Name {
			more.kernels = append(more.kernels, other)
		}
	}
	return &more
}

// Series reads a series of the table.
func (t *Tables) Series(name string) (Series, error) { return t.series(name) }
