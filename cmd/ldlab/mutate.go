package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

func newMutate() *cobra.Command {
	var (
		sel    plan.Selection
		o      runOptions
		sample int
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "mutate",
		Short: "Show that the probes would notice if a call of security_locked_down() were removed",
		Long: `Mutate changes one call of security_locked_down() at a time so that it always
allows, and then so that it always denies, and runs the probes that reach it.
They must get LEAK for the first and OVERBLOCKED for the second. On the kernel
without a mutant every verdict must be as expected. The kernels need the lab
series.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if sample < 1 {
				return &plan.UsageError{Text: "--sample must be at least 1"}
			}
			mutate := func(ctx context.Context, p *plan.Plan, o engine.Options) ([]matrix.Mutation, *matrix.Matrix, error) {
				return engine.Mutate(ctx, p, o, sample)
			}
			return siteVerb[matrix.Mutation]{mutate, "mutation", func(found []matrix.Mutation) report.Measurement { return report.Measurement{Mutation: found} }, matrix.Mutation.Sound}.run(c, &o, sel, asJSON)
		},
	}
	kernelFlags(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	c.Flags().IntVar(&sample, "sample", 1, "run only every `N`th mutant")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
