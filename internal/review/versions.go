package review

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix/changes"
)

// Versions reviews two versions of a series and compares the reviews: what the new one
// repaired, and what came with it. o.Series is the new one; old may be the same mailbox
// with another version in it. If both are for the same base, that is measured once.
func Versions(ctx context.Context, old string, o Options) (*changes.Versions, error) {
	before := o
	before.Series, before.Engine.Out = old, filepath.Join(o.Engine.Out, "old")
	before.Version, before.Attachment = o.OldVersion, o.OldAttachment
	now := o
	now.Engine.Out = filepath.Join(o.Engine.Out, "new")
	before.baseOut, now.baseOut = o.Engine.Out, o.Engine.Out
	if old == "-" && o.Series == "-" {
		return nil, &plan.UsageError{Text: "standard input can be read once: give the mailbox as a file"}
	}
	x, err := begin(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("review of %s: %w", old, err)
	}
	y, err := begin(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("review of %s: %w", o.Series, err)
	}
	if slices.EqualFunc(x.input.series, y.input.series, func(a, b kernels.Series) bool { return a.SHA256() == b.SHA256() }) {
		return nil, &plan.UsageError{Text: "OLD and SERIES are the same patches: --old-version N takes another version of a mailbox"}
	}
	if err := x.review(ctx); err != nil {
		return nil, fmt.Errorf("review of %s: %w", old, err)
	}
	if err := y.review(ctx); err != nil {
		return nil, fmt.Errorf("review of %s: %w", o.Series, err)
	}
	v := changes.CompareVersions(&x.result, &y.result)
	nameVersions(&x.result, &y.result, before, now)
	if x.result.Base.Name != y.result.Base.Name || x.result.Base.Version != y.result.Base.Version {
		v.NoRangeDiff = "the versions are for different bases"
	} else if v.RangeDiff, err = rangeDiff(ctx, x, y); err != nil {
		v.NoRangeDiff = err.Error()
	}
	return v, ctx.Err()
}

// nameVersions tells two versions of one mailbox apart by their names.
func nameVersions(x, y *changes.Review, before, now Options) {
	if x.Series != y.Series {
		return
	}
	for _, v := range []struct {
		r *changes.Review
		o Options
	}{{x, before}, {y, now}} {
		switch {
		case v.o.Version > 0:
			v.r.Series += fmt.Sprintf(" v%d", v.o.Version)
		case v.o.Attachment != "":
			v.r.Series += " " + v.o.Attachment
		default:
			v.r.Series += ", highest version"
		}
	}
}

// rangeDiff runs git range-diff on two versions, in a repository of the files
// that they change.
func rangeDiff(ctx context.Context, x, y *reviewer) (string, error) {
	dir, err := os.MkdirTemp("", "ldlab-range-diff-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	g := repository{dir}
	if _, err := g.git(ctx, "init", "-q"); err != nil {
		return "", err
	}
	var files []string
	for _, r := range []*reviewer{x, y} {
		for _, p := range r.result.Patches {
			files = append(files, p.Files...)
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if err := g.commit(ctx, x, 0, files, "base"); err != nil {
		return "", err
	}
	for i, r := range []*reviewer{x, y} {
		branch := []string{"old", "new"}[i]
		if _, err := g.git(ctx, "checkout", "-q", "-b", branch, "base"); err != nil {
			return "", err
		}
		for n := range r.spec.Series[0].Patches {
			if err := g.commit(ctx, r, n+1, files, ""); err != nil {
				return "", err
			}
		}
	}
	return g.git(ctx, "range-diff", "--no-color", "base", "old", "new")
}

// A repository is a git repository for one comparison.
type repository struct{ dir string }

func (g repository) git(ctx context.Context, args ...string) (string, error) {
	out, err := proc.Output(ctx, proc.Command{
		Argv: append([]string{"git"}, args...), Dir: g.dir,
		Env: append(proc.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=ldlab", "GIT_AUTHOR_EMAIL=", "GIT_COMMITTER_NAME=ldlab", "GIT_COMMITTER_EMAIL="),
	})
	return string(out), err
}

// commit writes the files as the first n patches leave them, and commits them. A commit
// with a tag is the base.
func (g repository) commit(ctx context.Context, r *reviewer, n int, files []string, tag string) error {
	series := r.spec.Series[0].Patches[:n]
	spec := r.specOf(r.arches()[0], series, false)
	spec.Kernel.Series = nil // without the lab's own
	p, err := r.builder.Patch(ctx, spec)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, name := range files {
		f, err := p.Overlay.Read(name)
		if err != nil {
			return err
		}
		file := filepath.Join(g.dir, filepath.FromSlash(name))
		if f.Gone {
			if err := os.RemoveAll(file); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			return err
		}
	}
	if _, err := g.git(ctx, "add", "-A", "-f", "."); err != nil {
		return err
	}
	if _, err := g.git(ctx, "commit", "-q", "--allow-empty", "--no-verify", "-m", subjectOf(series)); err != nil || tag == "" {
		return err
	}
	_, err = g.git(ctx, "tag", tag)
	return err
}

// subjectOf is the title of the last patch.
func subjectOf(patches []kernels.Patch) string {
	if len(patches) == 0 {
		return "base"
	}
	p := patches[len(patches)-1]
	if p.Title() != "" {
		return p.Title()
	}
	return p.Name
}
