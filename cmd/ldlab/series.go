package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

func newSeries() *cobra.Command {
	var version string
	c := &cobra.Command{
		Use:   "series NAME...",
		Short: "Print the lab's own patches as a mailbox for git am",
		Long: `Series prints the patches of the lab's series, in the given order, each in its form
for that version of the kernel. This command applies them to upstream's 7.2:

    ldlab series race kunit bitmap --version 7.2.8 | git am

The kernels that have a series are in "ldlab list kernels". The source of Debian
needs the series debian first.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			t, err := kernels.Load()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return t.SeriesNames(), cobra.ShellCompDirectiveNoFileComp
		},
		Args: func(c *cobra.Command, args []string) error { return usage(cobra.MinimumNArgs(1)(c, args)) },
		RunE: func(c *cobra.Command, names []string) error {
			t, err := kernels.Load()
			if err != nil {
				return err
			}
			var mailbox bytes.Buffer
			for _, name := range names {
				s, err := t.Series(name)
				if err != nil {
					return &plan.UsageError{Text: err.Error()}
				}
				if !s.Versions.Has(version) {
					return &plan.UsageError{Text: fmt.Sprintf("series %s is for versions %s: give one with --version", name, s.Versions)}
				}
				for _, p := range s.At(version).Patches {
					mailbox.Write(p.Data)
				}
			}
			_, err = c.OutOrStdout().Write(mailbox.Bytes())
			return err
		},
	}
	c.Flags().StringVar(&version, "version", "", "version of the kernel, such as 7.2.8")
	return c
}
