package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/lab"
)

func newBuild() *cobra.Command {
	var sel lab.Selection
	c := &cobra.Command{
		Use:   "build",
		Short: "Build kernels and guests into the cache, and boot nothing",
		Long:  "Build prints a line for each kernel: its name, its architecture and its image.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := planOf(sel)
			if err != nil {
				return err
			}
			ui := newUI(c.ErrOrStderr())
			defer ui.close()
			images, err := p.Build(c.Context(), lab.Options{Event: ui.event})
			ui.close()
			for _, i := range images {
				fmt.Fprintln(c.OutOrStdout(), i.Kernel, i.Arch, i.Path)
			}
			return err
		},
	}
	kernelFlags(c, &sel)
	return c
}
