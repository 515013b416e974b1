package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/sourcemutants"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

func newMutate() *cobra.Command {
	var (
		sel    plan.Selection
		o      runOptions
		choice engine.MutantChoice
		kinds  []string
		format siteFormat
	)
	c := &cobra.Command{
		Use:   "mutate",
		Short: "Show that the probes would notice if a check of lockdown were broken",
		Long: `Mutate breaks one check at a time and runs the probes that it can change: at least
one must get a verdict that is not as expected. On the kernel without a mutant
every verdict must be as expected. The kernels need the lab series, which makes
all mutants but those of the source at run time.

A mutant of the source is a patch, and is killed if the probe that mutants.toml
names for it gets the verdict that is named. Patches share a kernel unless they
change the same file, or are noticed by probes of the same reason. A patch that
changes lockdown itself, the security hooks or a header has a kernel of its own. A
kernel with several patches runs the scenarios and settings of all of them. An
unexpected verdict there that none of them explains is an error. Each patch runs
again alone if there is such a verdict, if the kernel cannot be built, or if a
guest is lost; and so does a patch that was not killed.

Kinds:
` + kindsText(),
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if choice.Sample < 1 {
				return &plan.UsageError{Text: "--sample must be at least 1"}
			}
			var err error
			if choice.Kinds, err = mutantKinds(kinds); err != nil {
				return err
			}
			mutate := func(ctx context.Context, p *plan.Plan, o engine.Options) ([]matrix.Mutation, *matrix.Matrix, error) {
				return mutate(ctx, p, o, choice)
			}
			return siteVerb[matrix.Mutation]{mutate, "mutation", func(found []matrix.Mutation) report.Measurement { return report.Measurement{Mutation: found} }, matrix.Mutation.Sound}.run(c, &o, sel, format)
		},
	}
	kernelFlags(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	c.Flags().StringSliceVar(&kinds, "kind", nil, "make only mutants of this `kind` (repeatable)")
	c.Flags().StringVar(&choice.Match, "match", "", "make only mutants of call sites, reasons and patches whose name has this `text`")
	c.Flags().IntVar(&choice.Sample, "sample", 1, "make only mutants of every `N`th call site, reason and patch")
	c.Flags().BoolVar(&choice.Alone, "alone", false, "build a kernel for each mutant of the source")
	format.flags(c)
	return c
}

// mutate makes the mutants of the source if they are asked for, and the others
// if any of them is, or no kind is.
func mutate(ctx context.Context, p *plan.Plan, o engine.Options, choice engine.MutantChoice) (all []matrix.Mutation, m *matrix.Matrix, err error) {
	source := slices.Contains(choice.Kinds, matrix.Source)
	choice.Kinds = slices.DeleteFunc(choice.Kinds, func(k matrix.MutantKind) bool { return !k.AtRunTime() })
	if len(choice.Kinds) > 0 || !source {
		if all, m, err = engine.Mutate(ctx, p, o, choice); err != nil {
			return nil, m, err
		}
	}
	if source {
		more, err := sourcemutants.Run(ctx, p, o, choice)
		if err != nil {
			return nil, m, err
		}
		all = append(all, more...)
	}
	return all, m, nil
}

func kindsText() string {
	var b strings.Builder
	for _, k := range matrix.MutantKinds() {
		fmt.Fprintf(&b, "  %-9s %s\n", k, k.Text())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// mutantKinds parses the values of --kind.
func mutantKinds(names []string) (kinds []matrix.MutantKind, err error) {
	for _, name := range names {
		k := matrix.MutantKind(name)
		if !slices.Contains(matrix.MutantKinds(), k) {
			return nil, &plan.UsageError{Text: fmt.Sprintf("unknown kind of mutant %q; \"ldlab mutate --help\" lists them", name)}
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}
