package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

// A siteVerb measures call sites and returns one T for each kernel: coverage
// and mutate.
type siteVerb[T any] struct {
	measure func(context.Context, *plan.Plan, engine.Options) ([]T, *matrix.Matrix, error)
	view    string // name in package report
	of      func([]T) report.Measurement
	sound   func(T) bool
}

// A siteFormat is how coverage and mutate print what they found.
type siteFormat struct {
	name   string
	asJSON bool
}

var siteFormats = []string{"text", "json", "html"}

func (f *siteFormat) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.name, "format", "text", "text, json, or html: the page of the run with what was found")
	c.Flags().BoolVar(&f.asJSON, "json", false, "the same as --format json")
	complete(c, "format", func() []string { return siteFormats })
}

// check gives the format its value. Errors are a *plan.UsageError.
func (f *siteFormat) check(c *cobra.Command) error {
	switch {
	case f.asJSON && c.Flags().Changed("format"):
		return &plan.UsageError{Text: "--json is --format json: leave one of both out"}
	case f.asJSON:
		f.name = "json"
	case !slices.Contains(siteFormats, f.name):
		return plan.UnknownWord("format", f.name, siteFormats)
	}
	return nil
}

// run measures, writes the report, and returns the exit status: 0 if everything
// is sound and every verdict as expected.
func (v siteVerb[T]) run(c *cobra.Command, o *runOptions, sel plan.Selection, format siteFormat) error {
	if err := format.check(c); err != nil {
		return err
	}
	p, err := engine.Resolve(c.Context(), plan.ForSites(sel), "")
	if err != nil {
		return err
	}
	done, err := o.start(c)
	if err != nil {
		return err
	}
	defer done()
	found, m, err := v.measure(c.Context(), p, o.Options)
	done()
	if err != nil {
		return o.interrupted(c.Name(), err)
	}
	all := v.of(found)
	all.Matrix = m
	json := v.view + "-json" // for ldlab nightly, which compares it, and for ldlab report
	if err := o.write(c, map[string]string{"text": v.view, "json": json, "html": "html"}[format.name], all); err != nil {
		return err
	}
	if err := report.Keep(o.Out, all, json, "html"); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(x T) bool { return !v.sound(x) }) {
		return exitError(exitDiffers)
	}
	if m == nil { // only mutants of the source
		return nil
	}
	return verdict(c, m, accepted{untested: true}) // coverage and mutation have answers of their own for what was not reached
}
