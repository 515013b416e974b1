package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
)

func newBuild() *cobra.Command {
	var sel plan.Selection
	var cached bool
	c := &cobra.Command{
		Use:   "build",
		Short: "Build kernels and guests into the cache, and boot nothing",
		Long: `Build prints the name, the architecture and the image of each kernel. With
--cached it builds nothing: it prints the kernels that are in the cache, and the
exit status is 1 if one is missing.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := engine.Resolve(c.Context(), sel, "")
			if err != nil {
				return err
			}
			if cached {
				return printCached(c, p)
			}
			ui := progress.New(c.ErrOrStderr())
			defer ui.Close()
			images, err := engine.Build(c.Context(), p, engine.Options{Event: ui.Event})
			ui.Close()
			printImages(c, images)
			return err
		},
	}
	kernelFlags(c, &sel)
	c.Flags().BoolVar(&cached, "cached", false, "build nothing; exit with 1 if a kernel is not in the cache")
	return c
}

func printImages(c *cobra.Command, images []engine.Image) {
	for _, i := range images {
		fmt.Fprintln(c.OutOrStdout(), i.Kernel, i.Arch, i.Path)
	}
}

// printCached prints the kernels that are in the cache.
func printCached(c *cobra.Command, p *plan.Plan) error {
	images, missing, err := engine.Cached(c.Context(), p, engine.Options{})
	printImages(c, images)
	if err != nil {
		return err
	}
	for _, i := range missing {
		fmt.Fprintf(c.ErrOrStderr(), "ldlab: not in the cache: %s %s\n", i.Kernel, i.Arch)
	}
	if len(missing) > 0 {
		return exitError(exitDiffers)
	}
	return nil
}
