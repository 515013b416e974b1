package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/gen"
	"github.com/ldlab/ldlab/internal/plan"
)

func newGen() *cobra.Command {
	var j gen.Job
	names := gen.Names()
	c := &cobra.Command{
		Use:   "gen " + strings.Join(names, "|") + " [-- PLAN-FLAG...]",
		Short: "Print a job that runs a plan's shards on an engine",
		Long: `Gen prints a job for an engine that starts the shards of a plan, and starts a shard
again that died. What follows -- are flags of "ldlab plan". docs/ci has what it
prints by default.`,
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
			return gen.Write(c.OutOrStdout(), args[0], j)
		},
	}
	c.Flags().IntVar(&j.Shards, "shards", 3, "number of shards")
	return c
}
