package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
)

// buildPatches builds the base and, after each patch, the kernel as it then is: on the
// first architecture all of them, because a series must build at every step, and on the
// others the base and the whole. A patch after which the source does not build is noted
// in the review. It also notes new warnings of the compiler with W=1.
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
	known := map[string]bool{}
	lines, _, err := r.warnings(ctx, nil, r.files())
	if err != nil {
		return err
	}
	for _, line := range lines {
		known[line] = true
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
		lines, missing, err := r.warnings(ctx, patches[:i+1], p.Files)
		if err != nil {
			return err
		}
		p.NotCompiled = missing
		for _, line := range lines {
			if !known[line] {
				p.Warnings = append(p.Warnings, line)
				known[line] = true
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

// files are all that the series changes.
func (r *reviewer) files() (list []string) {
	for _, p := range r.result.Patches {
		list = append(list, p.Files...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// warnings compiles files with W=1, each on the architecture that it is for, and all
// others on the first one. notCompiled are those that no object comes from.
func (r *reviewer) warnings(ctx context.Context, patches []kernels.Patch, files []string) (lines, notCompiled []string, err error) {
	whole := len(patches) == len(r.result.Patches)
	for i, a := range r.arches() {
		var own []string
		for _, f := range files {
			if dir, in := strings.CutPrefix(f, "arch/"); in && strings.HasPrefix(dir, sourceDir(a)+"/") || !in && i == 0 {
				own = append(own, f)
			}
		}
		if len(own) == 0 {
			continue
		}
		w, err := r.builder.Warn(ctx, r.specOf(a, patches, whole), own)
		if err != nil {
			return nil, nil, fmt.Errorf("compile with W=1: %w", cause(ctx, err))
		}
		lines, notCompiled = append(lines, w.Lines...), append(notCompiled, w.NotCompiled...)
	}
	for _, f := range files {
		dir, in := strings.CutPrefix(f, "arch/")
		reviewed := slices.ContainsFunc(r.arches(), func(a *arch.Arch) bool { return strings.HasPrefix(dir, sourceDir(a)+"/") })
		if in && !reviewed && strings.HasSuffix(f, ".c") {
			notCompiled = append(notCompiled, f)
		}
	}
	return lines, notCompiled, nil
}

// sourceDir is the directory of an architecture below arch/ in the kernel's source.
func sourceDir(a *arch.Arch) string {
	if strings.HasPrefix(a.Make, "x86") {
		return "x86"
	}
	return a.Make
}
