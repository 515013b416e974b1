package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/kernels"
)

func newGuests() *cobra.Command {
	return &cobra.Command{
		Use:   "guests DIR",
		Short: "Build the programs of guests into a directory, so that an installed ldlab needs no Go",
		Long: `Guests builds the programs that run in guests, for all architectures, and writes
them to DIR, compressed. An ldlab in PREFIX/bin takes them from
PREFIX/lib/ldlab/guests, if they are of its version, and needs no Go toolchain then.
"make install" and "make deb" use it.`,
		Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cache, err := kernels.DefaultCache()
			if err != nil {
				return err
			}
			return initramfs.WritePrebuilt(c.Context(), cache, args[0], func(text string) { fmt.Fprintln(c.ErrOrStderr(), text) })
		},
	}
}
