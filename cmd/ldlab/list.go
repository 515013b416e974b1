package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/lists"
	"github.com/ldlab/ldlab/internal/plan"
)

func newList() *cobra.Command {
	var asJSON bool
	var names []string
	for _, l := range lists.All() {
		names = append(names, l.Name)
	}
	c := &cobra.Command{
		Use:       "list [" + strings.Join(names, "|") + "]",
		Short:     "List kernels, their bases, architectures, settings, scenarios, probes, known gaps, the rules of verdicts, and findings",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				if !slices.Contains(names, a) {
					return plan.UnknownWord("list", a, names)
				}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			all := map[string][]lists.Line{}
			for _, l := range lists.All() {
				if len(args) > 0 && !slices.Contains(args, l.Name) {
					continue
				}
				rows, err := l.Rows()
				if err != nil {
					return err
				}
				if all[l.Name] = rows; !asJSON {
					printList(c.OutOrStdout(), l.Name, rows)
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), all)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printList(w io.Writer, name string, rows []lists.Line) {
	fmt.Fprintf(w, "%s:\n", name)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(tw, "  %s\t%s\n", r.Name, r.Text)
	}
	tw.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
