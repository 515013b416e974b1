package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/repro"
	"github.com/ldlab/ldlab/report"
)

// reproOptions are the flags of repro.
type reproOptions struct {
	run    runOptions
	repro  repro.Options
	dir    string
	isNew  string
	from   string
	kinds  []string
	format string
}

func newRepro() *cobra.Command {
	var o reproOptions
	c := &cobra.Command{
		Use:   "repro [FINDING...]",
		Short: "Run claims about lockdown: which does the kernel bear out?",
		Long: `Repro runs findings: claims that somebody made in a review, an advisory or a bug
report. Without names it runs all of them ("ldlab list findings"). It prints a
line for each: reproduced, refuted, not applicable or undecided, and the evidence.
Findings that need the same kernel share a run, whose results are in a directory
below --out.

The exit status is 1 if a status is not the one that the finding's file has. With
--new it only writes a template; with --dir the findings are those of a directory,
and need no Go. docs/repro.md explains the files.`,
		RunE: func(c *cobra.Command, args []string) error {
			if o.isNew != "" {
				return writeTemplate(c.OutOrStdout(), o.dir, o.isNew, args)
			}
			return o.do(c, args)
		},
	}
	o.run.flags(c)
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "`directory` with findings of your own, in place of the lab's")
	f.StringVar(&o.isNew, "new", "", "write a template for the finding `ID` into --dir, or to standard output, and run nothing")
	f.StringVar(&o.from, "from", "", "run nothing: judge the results of an earlier repro, in its `directory`")
	f.StringSliceVar(&o.kinds, "kind", nil, "only findings of this `kind`; may be repeated")
	f.StringSliceVar(&o.repro.Arches, "arch", nil, "architecture (default all that a finding names); may be repeated")
	f.StringSliceVar(&o.repro.Series, "series", nil, "your copy of the posted series: the claims about ours run against it, and no others do; may be repeated")
	f.BoolVar(&o.repro.Cached, "cached", false, "build nothing: claims about a kernel that is not in the cache stay undecided")
	f.StringVar(&o.format, "format", "text", "text, markdown, json, or html: a page")
	complete(c, "arch", arch.Names)
	complete(c, "kind", kindNames)
	complete(c, "format", formats.words)
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		list, _ := findings.Library()
		return findingIDs(list), cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// formats are the views of findings, by the value of --format.
var formats = viewNames{{"text", "findings"}, {"markdown", "findings-markdown"}, {"json", "findings-json"}, {"html", "html"}}

// do runs the findings and prints what became of them.
func (o *reproOptions) do(c *cobra.Command, args []string) error {
	view := formats.find(o.format)
	if view == "" {
		return plan.UnknownWord("format", o.format, formats.words())
	}
	list, err := o.choose(args)
	if err != nil {
		return err
	}
	outcomes, err := o.measure(c, list)
	if err != nil {
		return err
	}
	if err := report.Write(c.OutOrStdout(), view, report.Measurement{Findings: outcomes}); err != nil {
		return err
	}
	if o.from == "" {
		fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.run.Out)
	}
	if slices.ContainsFunc(outcomes, func(f findings.Outcome) bool { return !f.AsRecorded() }) {
		return exitError(exitDiffers)
	}
	return nil
}

// measure runs the findings, or takes what an earlier run has of them.
func (o *reproOptions) measure(c *cobra.Command, list []findings.Finding) ([]findings.Outcome, error) {
	if o.from != "" {
		if _, err := os.Stat(o.from); err != nil {
			return nil, fileError{fmt.Errorf("read results: %w", err)}
		}
		o.repro.Out = o.from
		outcomes, err := repro.Earlier(c.Context(), list, o.repro)
		if err != nil {
			return nil, fileError{err}
		}
		return outcomes, nil
	}
	done, err := o.run.start(c)
	if err != nil {
		return nil, err
	}
	defer done()
	o.repro.Options, o.repro.Patches = o.run.Options, o.dir
	outcomes, err := repro.Run(c.Context(), list, o.repro)
	done()
	if err != nil {
		return nil, o.run.interrupted("repro", err)
	}
	if o.run.latest {
		linkLatest(o.run.Out)
	}
	return outcomes, report.Keep(o.run.Out, report.Measurement{Findings: outcomes}, formats.views()...)
}

// choose loads the findings and picks those that the user names.
func (o *reproOptions) choose(args []string) ([]findings.Finding, error) {
	for _, name := range o.repro.Arches {
		if arch.Get(name) == nil {
			return nil, plan.UnknownWord("architecture", name, arch.Names())
		}
	}
	for _, k := range o.kinds {
		if !slices.Contains(findings.Kinds(), findings.Kind(k)) {
			return nil, plan.UnknownWord("kind of finding", k, kindNames())
		}
	}
	list, err := loadFindings(o.dir)
	if err != nil {
		return nil, err
	}
	for _, id := range args {
		if !slices.Contains(findingIDs(list), id) {
			return nil, plan.UnknownWord("finding", id, findingIDs(list))
		}
	}
	list = slices.DeleteFunc(list, func(f findings.Finding) bool {
		return len(args) > 0 && !slices.Contains(args, f.ID) || len(o.kinds) > 0 && !slices.Contains(o.kinds, string(f.Kind)) ||
			len(o.repro.Series) > 0 && f.Kernel != repro.Posted ||
			len(o.repro.Arches) > 0 && !slices.ContainsFunc(o.repro.Arches, func(a string) bool { return slices.Contains(f.Arches, a) })
	})
	if len(list) == 0 {
		return nil, &plan.UsageError{Text: "no finding is of that kind, and about that"}
	}
	return list, repro.Check(list, o.dir)
}

// loadFindings loads the lab's findings, or a user's own.
func loadFindings(dir string) ([]findings.Finding, error) {
	load := findings.Library
	if dir != "" {
		load = func() ([]findings.Finding, error) { return findings.LoadDir(dir) }
	}
	list, err := load()
	if err != nil {
		return nil, fileError{err}
	}
	if len(list) == 0 {
		return nil, &plan.UsageError{Text: fmt.Sprintf("%s has no finding: no file *.yaml", dir)}
	}
	return list, nil
}

func findingIDs(list []findings.Finding) (ids []string) {
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids
}

func kindNames() (names []string) {
	for _, k := range findings.Kinds() {
		names = append(names, string(k))
	}
	return names
}

// writeTemplate writes a finding to fill in. It never replaces a file.
func writeTemplate(w io.Writer, dir, id string, args []string) error {
	if len(args) > 0 {
		return &plan.UsageError{Text: "--new takes no findings"}
	}
	text, err := findings.Template(id)
	if err != nil {
		return &plan.UsageError{Text: err.Error()}
	}
	if dir == "" {
		_, err := io.WriteString(w, text)
		return err
	}
	name := dir + "/" + id + ".yaml"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fileError{fmt.Errorf("write template: %w", err)}
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err == nil {
		fmt.Fprintln(w, name)
	}
	return err
}
