package review

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
)

// buildPatches builds the base and, after each patch, the kernel as it then is: on the
// first architecture all of them, because a series must build at every step, and on the
// others the base and the whole. A patch after which the source does not build is noted
// in the review. It also notes what the compiler says with W=1 and did not say before.
func (r *reviewer) buildPatches(ctx context.Context) error {
	arches := r.arches()
	patches := r.spec.Series[0].Patches
	for _, a := range arches { // first, because every switch between kernels compiles what differs
		if failed, err := r.build(ctx, a, nil, false); err != nil || failed != "" {
			if err == nil {
				err = fmt.Errorf("build the base of the review for %s: %s", a.Name, failed)
			}
			return err
		}
	}
	known, err := r.warnings(ctx, arches[0], nil, nil)
	if err != nil {
		return err
	}
	for i := range r.result.Patches {
		p := &r.result.Patches[i]
		last := i == len(patches)-1
		for j, a := range arches {
			if j > 0 && !last {
				continue
			}
			failed, err := r.build(ctx, a, patches[:i+1], last)
			if err != nil {
				return err
			}
			if failed != "" {
				p.Build = append(p.Build, a.Name+": "+failed)
			}
		}
		if len(p.Build) > 0 {
			continue
		}
		w, err := r.warnings(ctx, arches[0], patches[:i+1], p.Files)
		if err != nil {
			return err
		}
		p.NotCompiled = w.NotCompiled
		for _, line := range w.Lines {
			if !slices.Contains(known.Lines, line) {
				p.Warnings = append(p.Warnings, line)
				known.Lines = append(known.Lines, line)
			}
		}
	}
	return nil
}

// build builds one kernel. failed is the compiler's first error.
func (r *reviewer) build(ctx context.Context, a *arch.Arch, patches []kernels.Patch, whole bool) (failed string, err error) {
	_, err = r.builder.Build(ctx, r.specOf(a, patches, whole))
	var broken *kernels.MakeError
	var missing *kernels.ConfigError
	switch {
	case errors.As(err, &broken):
		return broken.Cause.Error(), nil
	case errors.As(err, &missing):
		return missing.Error(), nil
	case err != nil:
		return "", cause(ctx, err)
	}
	return "", nil
}

// warnings compiles files with W=1; files nil: all that the series changes.
func (r *reviewer) warnings(ctx context.Context, a *arch.Arch, patches []kernels.Patch, files []string) (kernels.Warnings, error) {
	if files == nil {
		for _, p := range r.result.Patches {
			for _, f := range p.Files {
				if !slices.Contains(files, f) {
					files = append(files, f)
				}
			}
		}
	}
	w, err := r.builder.Warn(ctx, r.specOf(a, patches, len(patches) == len(r.result.Patches)), files)
	if err != nil {
		return w, fmt.Errorf("compile with W=1: %w", cause(ctx, err))
	}
	return w, nil
}
