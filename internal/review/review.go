// Package review finds out what a series of patches changes: in the source, in the
// kernels that are built of it, and in what root can do on them. It needs several
// builds and runs, which it has the engine do.
package review

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix/changes"
)

// Options select what is reviewed. Series and Engine.Out are needed.
type Options struct {
	Series  string // file, directory, git:PATH@A..B or - as for --series, or a kernel of the table, whose series are meant
	Version int    // of several in a mailbox; 0: the highest

	Files []string // patch files that are the series; empty: Series is it, and otherwise only its name
	OnTop []string // as Series: patches that are applied after it

	Attachment string // of a mail with several patches attached: the file that is meant

	// Version and Attachment of the old series; see Versions.
	OldVersion    int
	OldAttachment string

	Base   string // of the table of bases; empty: it is looked for
	Source string // text form of a source, in place of a base
	Tree   string // git repository in which a base-commit is looked for
	Strict bool   // hunks must apply without fuzz

	Arches    []string // empty: all
	Settings  []string // empty: the default ones
	Scenarios []string
	Probes    []string
	Interface lockdown.Interface // of the kernels with the series; empty: upstream, or that of the table's kernel
	Each      bool               // find the patch that changed each cell
	NoKUnit   bool               // leave out the KUnit suites that the series adds, which need a kernel of their own

	Engine engine.Options // of the runs; results go to directories below Out

	baseOut string // directory above the base's results; empty: Engine.Out
}

// Names of the kernels of a review, and of the directories of their results.
const (
	baseName   = "base"
	seriesName = "series"
)

// A reviewer is one review on its way.
type reviewer struct {
	Options
	tables  *kernels.Tables
	builder *kernels.Builder

	input  input
	source *kernels.Source // of all kernels; nil: that of base
	base   string          // names the base whose row in the table the kernels take
	bare   bool            // the lab's own series is left out: it does not fit on top of this one
	spec   kernels.Spec    // of the whole series; Arch is the first one
	result changes.Review
}

// An input is the series under review.
type input struct {
	series []kernels.Series
	config []string // fragments that kernels with the series have on top of the lab's
	face   lockdown.Interface
}

// Review reviews a series. A mistake in what the user gave is a *plan.UsageError or a
// *kernels.InputError. What is wrong with the series itself is no error, but in the
// review: a patch that does not apply or build, a kernel that does not boot.
func Review(ctx context.Context, o Options) (*changes.Review, error) {
	r, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	return &r.result, r.review(ctx)
}

// begin checks what the user gave and reads the series.
func begin(ctx context.Context, o Options) (*reviewer, error) {
	tables, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	r := &reviewer{Options: o, tables: tables}
	r.builder = &kernels.Builder{Cache: o.Engine.Cache, Tables: tables, Events: func(e kernels.Event) { r.event(engine.Event{Build: &e}) }}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	if r.input, err = r.read(ctx); err != nil {
		return nil, err
	}
	r.result = changes.Review{Series: o.Series, Interface: string(r.input.face), Lab: o.Engine.Version, Settings: o.Settings}
	for _, s := range r.input.series {
		r.result.Notes = append(r.result.Notes, s.Notes...)
		for _, text := range s.Notes { // now, because the review takes hours
			r.note("%s", text)
		}
		if r.result.Title == "" {
			r.result.Title = s.Title
		}
	}
	return r, ofKernel(r.input.series)
}

// review builds and boots what begin has read.
func (r *reviewer) review(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.findBase, r.readSource, r.buildPatches, r.measure, r.kunit} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *reviewer) event(e engine.Event) {
	if r.Engine.Event != nil {
		r.Engine.Event(e)
	}
}

func (r *reviewer) note(format string, args ...any) {
	r.event(engine.Event{Note: fmt.Sprintf(format, args...)})
}

// check finds mistakes of the command line before anything is read.
func (r *reviewer) check(ctx context.Context) error {
	for _, name := range r.Arches {
		if arch.Get(name) == nil {
			return plan.UnknownWord("architecture", name, arch.Names())
		}
	}
	if _, ok := r.tables.Base(r.Base); !ok && r.Base != "" {
		return plan.UnknownWord("base", r.Base, r.tables.Bases())
	}
	if r.Interface != "" && !slices.Contains(lockdown.Interfaces(), r.Interface) {
		return &plan.UsageError{Text: fmt.Sprintf("unknown interface %q", r.Interface)}
	}
	if r.Base != "" && r.Source != "" {
		return &plan.UsageError{Text: "--base and --source exclude each other"}
	}
	if v := min(r.Version, r.OldVersion); v < 0 {
		return &plan.UsageError{Text: fmt.Sprintf("a version of a series is a positive number, and not %d", v)}
	}
	if _, err := plan.ParseSettings(r.Settings); err != nil {
		return err
	}
	if err := r.selection().CheckProbes(); err != nil {
		return err
	}
	if r.Tree == "" {
		return nil
	}
	if info, err := os.Stat(r.Tree); err != nil {
		return &plan.UsageError{Text: fmt.Sprintf("--tree: %v", err)}
	} else if !info.IsDir() {
		return &plan.UsageError{Text: fmt.Sprintf("--tree: %s is not a directory", r.Tree)}
	}
	switch _, err := (repository{r.Tree}).git(ctx, "rev-parse", "--git-dir"); {
	case ctx.Err() != nil || errors.Is(err, exec.ErrNotFound):
		return err
	case err != nil:
		return &plan.UsageError{Text: fmt.Sprintf("--tree: %s is no git repository: %v", r.Tree, err)}
	}
	return nil
}

// arches are those under review.
func (r *reviewer) arches() (list []*arch.Arch) {
	for _, a := range arch.All() {
		if len(r.Arches) == 0 || slices.Contains(r.Arches, a.Name) {
			list = append(list, a)
		}
	}
	return list
}

// read reads the series: what the user points at, or those of a kernel of the table.
func (r *reviewer) read(ctx context.Context) (in input, err error) {
	in.face = lockdown.Upstream
	k, known := r.tables.Kernel(r.Series)
	if !known || k.Ready != "" || len(r.Files) > 0 { // ./NAME is a file or directory of a kernel's name
		given := kernels.Inputs{Files: r.Files, Version: r.Version, Attachment: r.Attachment}
		if len(r.Files) == 0 {
			given.Series = []string{r.Series}
		}
		resolved, err := kernels.Resolve(ctx, given)
		if err != nil {
			return in, err
		}
		in.series = resolved.Series
	} else {
		in.face, in.config = k.Interface, slices.DeleteFunc(slices.Clone(k.Config), func(name string) bool { return name == "lab" })
		for _, name := range k.Series {
			if name == "lab" {
				continue
			}
			s, err := r.tables.Series(name)
			if err != nil {
				return in, err
			}
			in.series = append(in.series, s)
		}
		if len(in.series) == 0 {
			return in, &plan.UsageError{Text: fmt.Sprintf("kernel %s has no series to review", k.Name)}
		}
	}
	top, err := kernels.Resolve(ctx, kernels.Inputs{OnTop: r.OnTop})
	in.series = append(in.series, top.Series...)
	if r.Interface != "" {
		in.face = r.Interface
	}
	return in, err
}

// kernel is the row of a kernel under review; whole: with the series.
func (r *reviewer) kernel(whole bool) kernels.Kernel {
	k := kernels.Kernel{Name: baseName, Title: "the base of the review", Base: r.base, Series: []string{"lab"}, Config: []string{"lab"}, Interface: lockdown.Upstream}
	if r.bare {
		k.Series, k.Config = nil, nil
	}
	if whole {
		k.Name, k.Title, k.Interface = seriesName, "the base with the series under review", r.input.face
		k.Config = append(k.Config, r.input.config...)
	}
	return k
}

// specOf is a kernel with the first patches of the series; all: with all of them and
// their configuration.
func (r *reviewer) specOf(a *arch.Arch, patches []kernels.Patch, all bool) kernels.Spec {
	s := kernels.Spec{Kernel: r.kernel(all), Arch: a, Source: r.source, Below: true}
	if len(patches) > 0 {
		fuzz := r.input.series[0].Fuzz
		s.Series = []kernels.Series{{Name: r.Series, Patches: patches, Fuzz: fuzz}}
	}
	return s
}

var (
	prototype = regexp.MustCompile(`(?s)\bint\s+(?:__\w+\s+)*security_locked_down\(([^)]*)\)`)
	blanks    = regexp.MustCompile(`\s+`)
	// A parameter: its type, and its name, which may be missing.
	parameter = regexp.MustCompile(`^((?:const )?(?:(?:enum|struct|unsigned) )?\w+(?: ?\*+)?)(?: ?\w+)?$`)
)

// prototypeOf is the prototype of security_locked_down() in a header, without attributes
// and the names of parameters, which nobody depends on.
func prototypeOf(header []byte) string {
	m := prototype.FindSubmatch(header)
	if m == nil {
		return ""
	}
	var types []string
	for _, p := range strings.Split(string(m[1]), ",") {
		p = strings.TrimSpace(blanks.ReplaceAllString(p, " "))
		types = append(types, strings.TrimSpace(parameter.ReplaceAllString(p, "$1")))
	}
	return "int security_locked_down(" + strings.Join(types, ", ") + ")"
}

// readSource compares what can be read without a build: the patches, and the prototype
// of security_locked_down().
func (r *reviewer) readSource(ctx context.Context) error {
	before, err := r.builder.Patch(ctx, r.specOf(r.arches()[0], nil, false))
	if err != nil {
		return err
	}
	defer before.Close()
	now, err := r.builder.Patch(ctx, r.spec)
	if err != nil {
		return err
	}
	defer now.Close()
	var texts [2]string
	for i, p := range []kernels.Patched{before, now} {
		f, err := p.Overlay.Read("include/linux/security.h")
		if err != nil {
			return err
		}
		texts[i] = prototypeOf(f.Data)
	}
	if texts[0] != texts[1] {
		r.result.Prototype = &changes.TextChange{Before: texts[0], Now: texts[1]}
		r.withoutLab("the series changes the prototype of security_locked_down(), which the lab's own series calls")
	}
	fuzz := map[string][]string{}
	for _, f := range now.Overlay.Fuzz {
		fuzz[f.Patch] = append(fuzz[f.Patch], f.Text)
	}
	var files []string
	for i := range r.result.Patches {
		p := &r.result.Patches[i]
		p.Fuzz = fuzz[p.Name]
		files = append(files, p.Files...)
		lines, ok := before.Checkpatch(ctx, r.spec.Series[0].Patches[i])
		p.Checkpatch = lines
		if !ok {
			r.result.Notes = append(r.result.Notes, "checkpatch did not run over "+p.Name+": the source has no such script, or this machine no perl")
		}
	}
	r.result.Mails = before.Maintainers(ctx, files)
	return nil
}

// withoutLab leaves the lab's own series out, of the base, too. What it adds are counters
// and ways to break checks; without it, denials are judged by the kernel's log.
func (r *reviewer) withoutLab(why string) {
	if r.bare {
		return
	}
	r.bare = true
	r.spec = r.specOf(r.spec.Arch, r.spec.Series[0].Patches, true)
	r.result.Notes = append(r.result.Notes, why+": denials are judged by the log alone")
}

// out is the directory of a run's results. It resumes what is there if the user asks
// for that.
func (r *reviewer) out(name string) engine.Options {
	o := r.Engine
	o.Out = filepath.Join(o.Out, name)
	if _, err := os.Stat(filepath.Join(o.Out, "results.jsonl")); errors.Is(err, os.ErrNotExist) {
		o.Resume = false
	}
	return o
}
