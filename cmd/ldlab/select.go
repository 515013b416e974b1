package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// kernelFlags are the flags that select what to boot.
func kernelFlags(c *cobra.Command, sel *plan.Selection) {
	f := c.Flags()
	f.StringSliceVar(&sel.Kernels, "kernel", nil, "kernel of the table, NAME@BASE for another base than its own, or debian:SERIES[-cloud|-rt] for a ready kernel of Debian (default bitmap); may be repeated")
	f.StringSliceVar(&sel.Arches, "arch", nil, "architecture (default all); may be repeated")
	f.StringSliceVar(&sel.Series, "series", nil, "patch file, mail, mailbox (also .gz), maildir, directory of patches, or - for standard input, to apply on top; may be repeated")
	f.StringVar(&sel.Source, "source", "", "kernel source instead of the table's: apt:PACKAGE, upstream:SERIES, dir:PATH, git:PATH@REV, tarball:PATH|URL#sha256=HEX")
	f.StringVar(&sel.Image, "image", "", "ready vmlinuz, vmlinux, Image, EFI zboot image or UKI, also compressed, to run instead")
	f.StringVar(&sel.Config, "config", "", "configuration that --image was built with")
	f.StringVar(&sel.Sites, "sites", "", "file with the lockdown call sites of --image: sites.json of its build")
	f.StringVar(&sel.Modules, "modules", "", "directory or package (.deb, .rpm) with the modules of --image")
	f.StringVar(&sel.Append, "append", "", "kernel arguments after those of the lab, such as 'lsm=yama'")
	complete(c, "kernel", func() []string {
		t, err := kernels.Load()
		if err != nil {
			return nil
		}
		return append(t.Names(), kernels.ReadyExamples()...)
	})
	complete(c, "arch", arch.Names)
}

// settingFlag selects the settings. They contain commas, so the flag is
// repeated and not split.
func settingFlag(c *cobra.Command, sel *plan.Selection) {
	c.Flags().StringArrayVar(&sel.Settings, "setting", nil,
		`setting, such as integrity@boot or dev_mem,kcore@runtime (default: see "ldlab list settings"); may be repeated`)
	complete(c, "setting", func() []string {
		return append([]string{"none", "integrity@boot", "integrity@runtime", "confidentiality@boot", "confidentiality@runtime", "dev_mem@coco"},
			suffixed(lockdown.Tokens(), "@runtime")...)
	})
}

// probeFlags select the probes.
func probeFlags(c *cobra.Command, sel *plan.Selection) {
	f := c.Flags()
	f.StringSliceVar(&sel.Scenarios, "scenario", nil, "scenario (default all); may be repeated")
	f.StringSliceVar(&sel.Probes, "probe", nil, "probe, as scenario/probe; may be repeated")
	f.BoolVar(&sel.AllProbes, "all-probes", false, "run every probe in every guest (default: the default settings with single reasons run one probe for each call site of other reasons)")
	complete(c, "scenario", func() []string {
		var names []string
		for _, s := range scenarios.All() {
			names = append(names, s.Name)
		}
		return names
	})
	complete(c, "probe", func() []string {
		var ids []string
		for _, r := range scenarios.Rows() {
			ids = append(ids, r.ID)
		}
		return ids
	})
}

// shuffleFlag selects the order of the probes.
func shuffleFlag(c *cobra.Command, sel *plan.Selection) {
	c.Flags().Uint64Var(&sel.Shuffle, "shuffle", 0, "run each guest's probes in another order, which follows from this seed")
}

// complete offers words for a flag in shells with completion.
func complete(c *cobra.Command, flag string, words func() []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag does not exist: a bug in this program
	}
}

func suffixed(words []string, suffix string) []string {
	return strings.Split(strings.Join(words, suffix+" ")+suffix, " ")
}

// viewNames are the values of a verb's --format in order, each with the view that it
// stands for.
type viewNames [][2]string

// find is the view of a value; empty: there is no such value.
func (n viewNames) find(word string) string {
	for _, pair := range n {
		if pair[0] == word {
			return pair[1]
		}
	}
	return ""
}

func (n viewNames) words() []string { return n.column(0) }
func (n viewNames) views() []string { return n.column(1) }

func (n viewNames) column(i int) (list []string) {
	for _, pair := range n {
		list = append(list, pair[i])
	}
	return list
}
