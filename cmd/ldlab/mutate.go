package main

import (
	"io"

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
		Long: `Mutate makes one call of security_locked_down() at a time answer 0 whatever is
locked, and refuse whatever is not, and runs the probes that ask there: the first
must come out as LEAK, the second as OVERBLOCKED. The kernel without a mutant
must raise no alarm. Needs kernels with the lab series.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if sample < 1 {
				return &plan.UsageError{Text: "--sample must be at least 1"}
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
			mutated, m, err := engine.Mutate(c.Context(), p, o.Options, sample)
			done()
			if err != nil {
				return o.interrupted("mutate", err)
			}
			if err := o.tell(c, asJSON, mutated, func(w io.Writer) error { return report.Mutation(w, mutated) }); err != nil {
				return err
			}
			if !all(mutated, matrix.Mutation.Sound) {
				return exitError(exitDiffers)
			}
			return verdict(m)
		},
	}
	kernelFlags(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	c.Flags().IntVar(&sample, "sample", 1, "take only every `N`th mutant")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
