package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/gen"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

func newGen() *cobra.Command {
	var j gen.Job
	names := gen.Names()
	c := &cobra.Command{
		Use:   "gen " + strings.Join(names, "|") + " [-- PLAN-FLAG...]",
		Short: "Print a job that runs a plan's shards on an engine",
		Long: `Gen prints a job for an engine that starts the shards of a plan, and restarts a shard
that died; the shard then continues. LAVA restarts nothing: submit the shard's job
again. What follows -- are flags of "ldlab plan". docs/ci has what gen prints by
default.`,
		Args:      func(c *cobra.Command, args []string) error { return usage(cobra.MinimumNArgs(1)(c, args)) },
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(names, args[0]) {
				return plan.UnknownWord("engine", args[0], names)
			}
			if c.ArgsLenAtDash() != 1 && len(args) > 1 {
				return &plan.UsageError{Text: "flags of the plan come after --"}
			}
			j.Selection = args[1:]
			if err := j.Check(); err != nil {
				return &plan.UsageError{Text: err.Error()}
			}
			if err := checkSelection(j.Selection); err != nil {
				return err
			}
			return gen.Write(c.OutOrStdout(), args[0], j)
		},
	}
	c.Flags().IntVar(&j.Shards, "shards", 3, "number of shards")
	return c
}

// checkSelection parses flags of ldlab plan, so that a mistake is found here and not in
// the job. Files that they name may be on the engine only.
func checkSelection(flags []string) error {
	var sel plan.Selection
	c := &cobra.Command{}
	planFlags(c, &sel, new([]string))
	if err := c.ParseFlags(flags); err != nil {
		return badFlag(err)
	}
	if c.Flags().NArg() > 0 {
		return &plan.UsageError{Text: fmt.Sprintf("ldlab plan takes no %q", c.Flags().Arg(0))}
	}
	if err := emptyFlag(c.Flags()); err != nil {
		return err
	}
	if sel.Image == "" && sel.Source == "" && len(sel.Series) == 0 {
		tables, err := kernels.Load()
		if err != nil {
			return err
		}
		_, err = plan.New(tables, sel, kernels.Resolved{}, nil)
		return err
	}
	if err := sel.Check(); err != nil {
		return err
	}
	if _, err := plan.ParseSettings(sel.Settings); err != nil {
		return err
	}
	return sel.CheckProbes()
}
