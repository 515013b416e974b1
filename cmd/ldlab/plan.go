package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

func newPlan() *cobra.Command {
	var (
		sel    plan.Selection
		asJSON bool
		out    string
		costs  []string
	)
	c := &cobra.Command{
		Use:   "plan",
		Short: "Print what a run would do, and boot nothing",
		Long: `Plan prints what a run would do. With -o it writes the plan to a file, which
several machines run in shards: see "ldlab run --plan". The file has an estimate of
what each guest costs, from the results of an earlier run if there are any.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := engine.Resolve(c.Context(), sel, "")
			if err != nil {
				return err
			}
			if out != "" {
				return writePlan(c, p, out, costs)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), p)
			}
			printPlan(c.OutOrStdout(), p)
			return nil
		},
	}
	planFlags(c, &sel, &costs)
	c.Flags().StringVarP(&out, "output", "o", "", "write the plan to this file, for ldlab run --plan")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// planFlags are those that select what a plan's file has.
func planFlags(c *cobra.Command, sel *plan.Selection, costs *[]string) {
	kernelFlags(c, sel)
	settingFlag(c, sel)
	probeFlags(c, sel)
	shuffleFlag(c, sel)
	c.Flags().StringSliceVar(costs, "costs", nil, "results of an earlier run that show what guests cost (default out/latest, if it is there); may be repeated")
}

// printPlan prints a plan for people.
func printPlan(w io.Writer, p *plan.Plan) {
	for _, b := range p.Builds {
		fmt.Fprintf(w, "%s %s: %s\n", b.Kernel.Name, b.Arch.Name, identity(b.Identity))
	}
	if a := p.Selection.Append; a != "" {
		fmt.Fprintf(w, "kernel arguments %s\n", a)
	}
	for _, s := range p.Inputs.Series {
		for _, n := range s.Notes {
			fmt.Fprintf(w, "series %s: %s\n", s.Name, n)
		}
	}
	for _, g := range p.Guests {
		note := ""
		if g.Setting.Level == lockdown.None && len(g.Setting.Reasons) == 0 {
			note = "  (control)"
		}
		if g.Sample {
			note = fmt.Sprintf("  (%s)", words.Count(len(g.Probes(p.Probes)), "probe"))
		}
		if g.ActsOnly {
			note = "  (acts without variants)"
		}
		fmt.Fprintf(w, "%-8s %-7s %s%s\n", g.Kernel, g.Arch, g.Setting, note)
	}
	in := "in each"
	if slices.ContainsFunc(p.Guests, func(g matrix.Guest) bool { return g.Sample }) {
		in = "where no number stands"
	}
	fmt.Fprintf(w, "%s, %s %s, plan %.12s\n", words.Count(len(p.Guests), "guest"), words.Count(len(p.Probes), "probe"), in, p.Digest())
}

// identity describes in one line what a kernel is made of.
func identity(id kernels.Identity) string {
	parts := []string{id.Source}
	if id.Version != "" {
		parts[0] += " " + id.Version
	}
	if id.SHA256 != "" {
		parts[0] += fmt.Sprintf(" (sha256 %.12s)", id.SHA256)
	}
	for _, s := range id.Series {
		parts = append(parts, "series "+s.String())
	}
	if id.Base == "" && id.Config != "" { // a ready image's: a base has the lab's fragments
		parts = append(parts, fmt.Sprintf("config (sha256 %.12s)", id.Config))
	}
	if id.Modules != "" {
		parts = append(parts, fmt.Sprintf("modules (sha256 %.12s)", id.Modules))
	}
	return strings.Join(parts, ", ")
}
