package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/lab"
	"github.com/ldlab/ldlab/report"
)

func newReport() *cobra.Command {
	var format string
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	c := &cobra.Command{
		Use:   "report RESULTS",
		Short: "Print the matrix of an earlier run: its directory or its results.jsonl",
		Args:  oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(names, format) {
				return lab.UnknownWord("format", format, names)
			}
			m, err := lab.Load(args[0])
			if err != nil {
				return err
			}
			f, _ := report.Find(format)
			if err := f.Write(c.OutOrStdout(), m); err != nil {
				return err
			}
			return verdict(m)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, markdown, json or junit")
	complete(c, "format", func() []string { return names })
	return c
}
