package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
)

func newBuild() *cobra.Command {
	var sel plan.Selection
	c := &cobra.Command{
		Use:   "build",
		Short: "Build kernels and guests into the cache, and boot nothing",
		Long:  "Build prints the name, the architecture and the image of each kernel.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := engine.Resolve(c.Context(), sel, "")
			if err != nil {
				return err
			}
			ui := newUI(c.ErrOrStderr())
			defer ui.close()
			images, err := engine.Build(c.Context(), p, engine.Options{Event: ui.event})
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
