package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

func newCoverage() *cobra.Command {
	var (
		sel    plan.Selection
		o      runOptions
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "coverage",
		Short: "Show which calls of security_locked_down() the probes exercise",
		Long: `Coverage runs every probe with nothing locked and with everything locked, at
boot and at run time, and joins what the kernel counted with the calls of
security_locked_down() that are in its machine code and in its source. It fails
if a call that is there was not exercised and the reason is unknown.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := engine.Resolve(c.Context(), plan.ForSites(sel), "")
			if err != nil {
				return err
			}
			done, err := o.start(c)
			if err != nil {
				return err
			}
			defer done()
			covered, m, err := engine.Coverage(c.Context(), p, o.Options)
			done()
			if err != nil {
				return o.interrupted("coverage", err)
			}
			if err := o.tell(c, asJSON, covered, func(w io.Writer) error { return report.Coverage(w, covered) }); err != nil {
				return err
			}
			if !all(covered, matrix.Coverage.Sound) {
				return exitError(exitDiffers)
			}
			return verdict(m)
		},
	}
	kernelFlags(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
