package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

func newRun() *cobra.Command {
	var (
		sel    plan.Selection
		o      runOptions
		asJSON bool
		color  string

		allowUntested bool
	)
	c := &cobra.Command{
		Use:   "run",
		Short: "Boot every guest of a plan, run the probes, print the matrix",
		Long: `Run builds what is missing, boots every guest of the plan, and prints the
matrix. Each result is written to OUT/results.jsonl as soon as its guest ends.
Reports in every format, and the consoles of guests that failed, are written
beside it.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkColor(color); err != nil {
				return err
			}
			p, err := engine.Resolve(c.Context(), sel, "")
			if err != nil {
				return err
			}
			done, err := o.start(c)
			if err != nil {
				return err
			}
			defer done()
			m, err := engine.Run(c.Context(), p, o.Options)
			done()
			if m != nil {
				if o.latest {
					linkLatest(o.Out)
				}
				if werr := writeMatrix(c, m, asJSON, color, o.Timing); werr != nil {
					return werr
				}
				fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.Out)
			}
			if err != nil {
				return o.interrupted("run", err)
			}
			return verdict(c, m, allowUntested)
		},
	}
	kernelFlags(c, &sel)
	settingFlag(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	f := c.Flags()
	f.Uint64Var(&sel.Shuffle, "shuffle", 0, "run each guest's probes in another order, which follows from this seed")
	f.BoolVar(&o.Timing, "timing", false, "also print how long each phase of a boot took")
	f.BoolVar(&asJSON, "json", false, "print the JSON report")
	colorFlag(c, &color)
	untestedFlag(c, &allowUntested)
	return c
}

func writeMatrix(c *cobra.Command, m *matrix.Matrix, asJSON bool, color string, timing bool) error {
	if asJSON {
		return report.Write(c.OutOrStdout(), "json", report.Measurement{Matrix: m})
	}
	if err := writeText(c, m, color, kernelFlagsGiven(c.Flags())); err != nil || !timing {
		return err
	}
	return report.Write(c.OutOrStdout(), "timing", report.Measurement{Matrix: m})
}

// untestedFlag adds the flag that accepts reasons that were not tested.
func untestedFlag(c *cobra.Command, allow *bool) {
	c.Flags().BoolVar(allow, "allow-untested", false, "exit with 0 although a selected reason was not tested")
}

// verdict returns the exit status for a matrix.
func verdict(c *cobra.Command, m *matrix.Matrix, allowUntested bool) error {
	untested := m.Untested()
	switch {
	case len(m.Errors()) > 0:
		return fmt.Errorf("run %s", m.Errors()[0])
	case !m.AsExpected():
		for _, text := range m.Splats() { // not every report has them
			fmt.Fprintf(&printable{out: c.ErrOrStderr()}, "ldlab: the kernel reported a bug of its own: %s\n", text)
		}
		return exitError(exitDiffers)
	case len(untested) > 0 && !allowUntested:
		fmt.Fprintf(&printable{out: c.ErrOrStderr()}, "ldlab: not tested: %d of the selected reasons, such as %s; --allow-untested accepts that\n", len(untested), untested[0])
		return exitError(exitUntested)
	}
	return nil
}
