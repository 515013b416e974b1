package main

import (
	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/lab"
)

func newBuild() *cobra.Command {
	var sel lab.Selection
	c := &cobra.Command{
		Use:   "build",
		Short: "Build kernels and guests into the cache, and boot nothing",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := planOf(sel)
			if err != nil {
				return err
			}
			ui := newUI(c.ErrOrStderr())
			defer ui.close()
			return p.Build(c.Context(), lab.Options{Event: ui.event})
		},
	}
	kernelFlags(c, &sel)
	return c
}
