package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ldlab/ldlab/internal/about"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man [DIR]",
		Short: "Print the manual page: ldlab man | man -l -; or write that of each command to a directory",
		Args: func(_ *cobra.Command, args []string) error {
			return usage(cobra.MaximumNArgs(1)(nil, args))
		},
		RunE: func(c *cobra.Command, args []string) error {
			c.Root().DisableAutoGenTag = true // it has the day of the build
			date := builtFrom()
			header := doc.GenManHeader{Section: "1", Source: "ldlab", Manual: "ldlab", Date: &date}
			if len(args) == 0 {
				if err := doc.GenMan(c.Root(), &header, c.OutOrStdout()); err != nil {
					return fmt.Errorf("make manual page: %w", err)
				}
				return nil
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make manual pages: %w", err)
			}
			if err := doc.GenManTree(c.Root(), &header, args[0]); err != nil {
				return fmt.Errorf("make manual pages: %w", err)
			}
			return nil
		},
	}
}

// builtFrom is the time of the commit that this program was built from, so that the same
// commit has the same pages; 1970 if it is not known.
func builtFrom() time.Time {
	t, err := time.Parse(time.RFC3339, about.Built().Time)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return t
}
