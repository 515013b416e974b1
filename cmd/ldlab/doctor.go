package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newDoctor() *cobra.Command {
	var asJSON, packages bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "List missing programs, and print the command that installs them",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := examine(c.Context())
			w := c.OutOrStdout()
			if packages {
				fmt.Fprintln(w, strings.Join(d.Packages, " "))
				return nil
			}
			if asJSON {
				if err := printJSON(w, d); err != nil {
					return err
				}
			} else {
				for _, f := range d.Checks {
					fmt.Fprintf(w, "%-8s %-34s %s\n", f.State, f.What, f.Text)
				}
				if d.Install != "" {
					fmt.Fprintf(w, "\nto install the missing packages:\n  %s\n", d.Install)
				}
			}
			if d.Missing() {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&packages, "packages", false, "print only the Debian packages to install, for scripts")
	return c
}
