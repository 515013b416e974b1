package main

import (
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
		format siteFormat
	)
	c := &cobra.Command{
		Use:   "coverage",
		Short: "Show which calls of security_locked_down() the probes exercise",
		Long: `Coverage runs every probe with nothing locked and with everything locked, at
boot and at run time, and joins what the kernel counted with the calls of
security_locked_down() that are in its machine code and in its source, and with
the callers of each: the files and system calls that lead to it. It fails if a
call or a caller was not exercised and the reason is unknown, and if a caller of
the table does not check any more.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return siteVerb[matrix.Coverage]{engine.Coverage, "coverage", func(found []matrix.Coverage) report.Measurement { return report.Measurement{Coverage: found} }, matrix.Coverage.Sound}.run(c, &o, sel, format)
		},
	}
	kernelFlags(c, &sel)
	probeFlags(c, &sel)
	o.flags(c)
	format.flags(c)
	return c
}
