package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/patchset"
)

func newSeries() *cobra.Command {
	var version string
	c := &cobra.Command{
		Use:   "series NAME...",
		Short: "Print the lab's own patches as a mailbox for git am",
		Long: `Series prints the patches of the lab's series, in the given order, each in its form
for that version of the kernel. The patches of several series are numbered as one. This
command applies them to upstream's 7.2:

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
			var list []patchset.Patch
			for _, name := range names {
				s, err := t.Series(name)
				if err != nil {
					return &plan.UsageError{Text: err.Error()}
				}
				if !s.Versions.Has(version) {
					return &plan.UsageError{Text: fmt.Sprintf("series %s is for versions %s: give one with --version", name, s.Versions)}
				}
				list = append(list, s.At(version).Patches...)
			}
			_, err = c.OutOrStdout().Write(numbered(list))
			return err
		},
	}
	c.Flags().StringVar(&version, "version", "", "version of the kernel, such as 7.2.8")
	return c
}

// subjectTag is the tag of a patch in the header of its mail.
var subjectTag = regexp.MustCompile(`(?m)^Subject: \[((?:RFC )?PATCH)[^\]]*\]`)

// numbered is a mailbox with the patches, numbered as one series: a reader takes patches
// without a number beside a series for those of somebody else.
func numbered(list []patchset.Patch) []byte {
	var mailbox bytes.Buffer
	for i, p := range list {
		data := p.Data
		if at := subjectTag.FindSubmatchIndex(data); at != nil && len(list) > 1 {
			data = slices.Concat(data[:at[3]], fmt.Appendf(nil, " %d/%d]", i+1, len(list)), data[at[1]:])
		}
		mailbox.Write(data)
	}
	return mailbox.Bytes()
}
