package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix/changes"
)

// A candidate is a source to which the series may apply.
type candidate struct {
	base   string          // of the table
	source *kernels.Source // in its place; nil: none
	why    string          // why it is looked at
}

func (c candidate) name() string {
	if c.source != nil {
		return c.source.String()
	}
	return c.base
}

// A NoBaseError is a series that applies to none of the sources that were tried.
type NoBaseError struct {
	Tried []string // each, and why not
	Named []string // versions that the mails name, and that are none of the table's bases
	Lines []string // the lines that the first patch expects, and those that are there, of the first source
}

func (e *NoBaseError) Error() string {
	return fmt.Sprintf("apply the series: it applies to none of %d sources: %s", len(e.Tried), strings.Join(slices.Concat(e.Named, e.Tried), "; "))
}

// findBase finds the source of the review, and notes what was tried: the one that the
// user names, or else the parent of the commits under review, the base-commit that the
// mails name, the versions in their subjects and in what they tell, and at last the bases of the table,
// the nearest ones first.
func (r *reviewer) findBase(ctx context.Context) error {
	list, named, err := r.candidates()
	if err != nil {
		return err
	}
	var none NoBaseError
	fixed := r.Base != "" || r.Source != ""
	var fault error // of the host, at a source that may be left out
	for _, fuzz := range r.rounds() {
		none = NoBaseError{Named: named}
		for i, c := range list {
			if i > 0 && fixed && !r.fetched(ctx, c) {
				continue // it would only be named
			}
			err := r.try(ctx, c, fuzz)
			if err == nil && i > 0 && fixed {
				return r.refused(&none, c)
			}
			if err == nil {
				r.result.Base.Tried = slices.Concat(named, none.Tried, r.result.Base.Tried)
				return nil
			}
			switch r.kindOf(ctx, err, i == 0) {
			case final:
				return err
			case hostFault:
				fault = err
			}
			r.missed(&none, c, err)
		}
	}
	for _, text := range slices.Concat(none.Named, none.Tried, none.Lines) {
		r.note("%s", text)
	}
	if fault != nil {
		return fmt.Errorf("find the base: not every source could be tried: %w", fault)
	}
	return &kernels.InputError{Err: &none}
}

// rounds are the lines of fuzz with which the sources are tried, one after the other: a
// source to which the series applies exactly comes before one to which it nearly does.
func (r *reviewer) rounds() []int {
	if r.Strict {
		return []int{0}
	}
	return []int{0, maxFuzz}
}

// maxFuzz is what patch(1) allows.
const maxFuzz = 2

// Kinds of errors of a try.
const (
	mismatch  = iota // the series is not for the source
	hostFault        // nothing is known of the source
	final            // no other source would do better
)

// kindOf tells what an error of a try means. The first source is the one that the user
// gave or the lab's own, which must be there.
func (r *reviewer) kindOf(ctx context.Context, err error, first bool) int {
	var refused *kernels.RefusedError
	var apply *kernels.ApplyError
	var version *kernels.VersionError
	switch {
	case ctx.Err() != nil, errors.As(err, &refused):
		return final
	case errors.As(err, &apply), errors.As(err, &version):
		return mismatch
	case first:
		return final
	}
	return hostFault
}

// missed notes a source to which the series does not apply.
func (r *reviewer) missed(none *NoBaseError, c candidate, err error) {
	none.Tried = append(none.Tried, fmt.Sprintf("%s (%s): %v", c.name(), c.why, err))
	var m *kernels.MismatchError
	if errors.As(err, &m) && none.Lines == nil {
		none.Lines = difference(m)
	}
}

// fetched reports whether a source is in the cache.
func (r *reviewer) fetched(ctx context.Context, c candidate) bool {
	r.base, r.source = c.base, c.source
	id, err := r.builder.Identify(ctx, r.specOf(r.arches()[0], nil, false))
	return err == nil && id.Version != ""
}

// refused is a series that does not apply to the source that the user gave, but to
// another one.
func (r *reviewer) refused(none *NoBaseError, c candidate) error {
	for _, line := range none.Lines {
		r.note("%s", line)
	}
	return &kernels.InputError{Err: fmt.Errorf("%s; it applies to %s, Linux %s", none.Tried[0], c.name(), r.result.Base.Version)}
}

// cause prefers the context's own error.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}

// candidates lists the sources to try, in order. named has a sentence for each version
// that the mails name and the table lacks.
func (r *reviewer) candidates() (list []candidate, named []string, err error) {
	standard := r.defaultBase()
	add := func(c candidate) {
		if !slices.ContainsFunc(list, func(o candidate) bool { return o.name() == c.name() }) {
			list = append(list, c)
		}
	}
	given := func(text, why string) error {
		s, err := kernels.ParseSource(text)
		if err != nil {
			return &kernels.InputError{Err: err}
		}
		add(candidate{standard, &s, why})
		return nil
	}
	var near []string // versions
	switch hint := r.input.series[0].Hint; {
	case r.Source != "":
		err = given(r.Source, "--source")
	case r.Base != "":
		add(candidate{r.Base, nil, "--base"})
	case hint.Source != "":
		err = given(hint.Source, "the parent of the first commit")
	default:
		if hint.Commit != "" && r.Tree == "" {
			r.note("the mails name base-commit %.12s; --tree PATH names a git repository that has it", hint.Commit)
		} else if hint.Commit != "" {
			abs, absErr := filepath.Abs(r.Tree)
			if err = absErr; err == nil {
				err = given("git:"+abs+"@"+hint.Commit, "base-commit")
			}
		}
		for i, version := range slices.Concat(hint.Versions, hint.Told) {
			why := "the subject names " + version
			if i >= len(hint.Versions) {
				why = "the mails name as its base " + version
			}
			near = append(near, version)
			if _, ok := r.tables.Base(version); ok {
				add(candidate{version, nil, why})
			} else {
				named = append(named, why+", which is no base of the table: the nearest ones are tried")
			}
		}
	}
	for _, name := range r.byDistance(standard, near) {
		add(candidate{name, nil, "a base of the table"})
	}
	return list, named, err
}

// defaultBase is that of the lab's own kernels.
func (r *reviewer) defaultBase() string {
	k, _ := r.tables.Kernel("stock")
	return k.Base
}

// byDistance lists the table's bases: those that are nearest to the first version that
// the mails name first, upstream's before those of distributions. If they name none: the
// lab's own, then upstream's from the newest, because most series are for a new kernel,
// and then those of distributions.
func (r *reviewer) byDistance(standard string, near []string) []string {
	names := r.tables.Bases()
	rank := func(name string) int {
		switch {
		case len(near) > 0:
			d := 2 * (releases(name) - releases(near[0]))
			if d = max(d, -d); strings.Contains(name, "-") {
				d++
			}
			return d
		case name == standard:
			return 0
		case !strings.Contains(name, "-"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(names, func(x, y string) int {
		if d := rank(x) - rank(y); d != 0 {
			return d
		}
		return -slices.Compare(numbers(x), numbers(y))
	})
	return names
}

// releases counts the releases of Linux from 3.0 up to a version. The last minor number of
// a major one is 19; of 4 it is 20.
func releases(name string) (n int) {
	v := append(numbers(name), 0, 0)
	for major := 3; major < min(v[0], 100); major++ {
		if n += 20; major == 4 {
			n++
		}
	}
	return n + v[1]
}

// numbers are the numbers of a version, for comparison.
func numbers(name string) (list []int) {
	n, in := 0, false
	for _, c := range name + " " {
		if c >= '0' && c <= '9' {
			n, in = n*10+int(c-'0'), true
		} else if in {
			list, n, in = append(list, n), 0, false
		}
	}
	return list
}

// try applies the series to a source. If it applies, the source is that of the review.
func (r *reviewer) try(ctx context.Context, c candidate, fuzz int) error {
	r.base, r.source, r.bare = c.base, c.source, false
	for i := range r.input.series {
		r.input.series[i].Fuzz = fuzz
	}
	a := r.arches()[0]
	// Without the lab's series first, so that an error is about the series under review.
	bare := kernels.Spec{Kernel: r.kernel(true), Arch: a, Source: r.source, Series: r.input.series, Below: true}
	bare.Kernel.Series = nil
	p, err := r.builder.Patch(ctx, bare)
	if err != nil {
		return err
	}
	p.Close()
	var patches []kernels.Patch
	for _, s := range r.input.series {
		patches = append(patches, s.At(p.Origin.Version).Patches...)
	}
	r.spec = r.specOf(a, patches, true)
	q, err := r.builder.Patch(ctx, r.spec)
	var apply *kernels.ApplyError
	switch {
	case errors.As(err, &apply):
		r.withoutLab("the lab's own series does not apply on top of this one: " + apply.Error())
	case err != nil:
		return err
	default:
		q.Close()
	}
	r.result.Base = changes.Base{Name: c.name(), Version: p.Origin.Version, Detail: p.Origin.Detail, Tried: []string{fmt.Sprintf("%s (%s): it applies to Linux %s", c.name(), c.why, p.Origin.Version)}}
	r.result.Patches = nil
	for _, patch := range patches {
		rp := changes.Patch{Name: patch.Name, Subject: patch.Subject, Title: patch.Title(), Files: patch.Files()}
		for _, h := range patch.Hunks() {
			rp.Hunks = append(rp.Hunks, changes.Hunk{File: h.File, Head: h.Head, Lines: h.Lines})
		}
		r.result.Patches = append(r.result.Patches, rp)
	}
	return nil
}

// ofKernel refuses a series that changes no file in a directory of the kernel.
func ofKernel(series []kernels.Series) error {
	var first string
	for _, s := range series {
		for _, patch := range s.Patches {
			for _, file := range patch.Files() {
				top, _, nested := strings.Cut(file, "/")
				if slices.Contains(kernelDirs, top) && nested || slices.Contains(kernelFiles, file) {
					return nil
				}
				first = cmp.Or(first, file)
			}
		}
	}
	return &kernels.InputError{Err: fmt.Errorf("read series: no file of it is in the kernel, such as %s: it is for another project", first)}
}

// kernelFiles are files at the top of the kernel's source that patches change (v6.12).
var kernelFiles = []string{".clang-format", ".gitignore", ".mailmap", "CREDITS", "Kbuild", "Kconfig", "MAINTAINERS", "Makefile", "README"}

// kernelDirs are the directories at the top of the kernel's source (v6.12).
var kernelDirs = []string{"Documentation", "LICENSES", "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security", "sound", "tools", "usr", "virt"}

// difference shows what a hunk expects beside what the file has.
func difference(m *kernels.MismatchError) (lines []string) {
	lines = append(lines, fmt.Sprintf("%s, hunk %d: the lines that are most like it begin at line %d; - is what the patch expects, + what is there", m.File, m.Hunk, m.At))
	for i := range max(len(m.Want), len(m.Have)) {
		want, have := "", ""
		if i < len(m.Want) {
			want = m.Want[i]
		}
		if i < len(m.Have) {
			have = m.Have[i]
		}
		if want == have {
			lines = append(lines, "  "+have)
			continue
		}
		lines = append(lines, "- "+want, "+ "+have)
	}
	return lines
}
