package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/lab"
	"github.com/ldlab/ldlab/lockdown"
)

func newPlan() *cobra.Command {
	var (
		sel    lab.Selection
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "plan",
		Short: "Print what a run would do, and boot nothing",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := planOf(sel)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), p)
			}
			w := c.OutOrStdout()
			for _, g := range p.Guests {
				note := ""
				if g.Setting.Level == lockdown.None && len(g.Setting.Reasons) == 0 {
					note = "  (control)"
				}
				fmt.Fprintf(w, "%-8s %-7s %s%s\n", g.Kernel, g.Arch, g.Setting, note)
			}
			fmt.Fprintf(w, "%d guests, %d probes in each\n", len(p.Guests), len(p.Probes))
			return nil
		},
	}
	kernelFlags(c, &sel)
	settingFlag(c, &sel)
	probeFlags(c, &sel)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
