package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/plan"
)

func newCache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "List the cache's entries, or remove those not used recently",
		Long: fmt.Sprintf(`The cache is $LDLAB_CACHE, or ldlab in the user's cache directory. It has kernel
sources, working trees, kernels, programs and images of guests, and booted
guests from which others are forked. After each build ldlab removes what was
last used longest ago, until $LDLAB_CACHE_MAX bytes are left: %s if it is
not set, and no limit if it is "none". Booted guests are also limited to 4 GiB
and 7 days. What a running ldlab uses, the signing keys and files that are not
ldlab's are never removed.`, cache.FormatSize(cache.DefaultMax)),
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCacheLs(), newCachePrune())
	return c
}

func newCacheLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List kind, name, size and last use of each entry",
		Long: `Ls prints a line for each entry of the cache. Sizes are those on disk; entries
share files by hard links, and the total counts these once.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			opened, err := cache.Open("", nil)
			if err != nil {
				return err
			}
			list, err := opened.List(c.Context())
			if err != nil {
				return notOurs(err)
			}
			return writeListing(c.OutOrStdout(), list)
		},
	}
}

func writeListing(w io.Writer, list cache.Listing) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tNAME\tSIZE\tLAST USE\t")
	for _, e := range list.Entries {
		use := ""
		if e.InUse {
			use = "in use"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", e.ID.Kind, e.ID.Name, cache.FormatSize(e.Size), e.Used.Format("2006-01-02 15:04"), use)
	}
	fmt.Fprintf(t, "total\t\t%s\t\t\n", cache.FormatSize(list.Size))
	return t.Flush()
}

func newCachePrune() *cobra.Command {
	var (
		size, older string
		dry         bool
	)
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove entries, least recently used first",
		Long: `Prune removes entries that were not used for --older, and then those used longest
ago until --max bytes are left. Without both flags it prunes to the size to which
ldlab prunes after each build. It prints a line for each entry.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			limits, err := pruneLimits(size, older)
			if err != nil {
				return err
			}
			limits.DryRun = dry
			opened, err := cache.Open("", nil)
			if err != nil {
				return err
			}
			pruned, err := opened.Prune(c.Context(), limits)
			writePruned(c.OutOrStdout(), pruned, dry)
			return notOurs(err)
		},
	}
	c.Flags().StringVar(&size, "max", "", "size of the cache to keep, like 500M, 20G or none")
	c.Flags().StringVar(&older, "older", "", "remove entries not used for this long, like 36h or 7d")
	c.Flags().BoolVar(&dry, "dry-run", false, "print what would be removed, and remove nothing")
	return c
}

// pruneLimits parses the flags; both may be empty.
func pruneLimits(size, older string) (cache.Limits, error) {
	limits := cache.Limits{Max: -1}
	var err error
	switch {
	case size != "":
		if limits.Max, err = cache.ParseSize(size); err != nil {
			return limits, &plan.UsageError{Text: "--max: " + err.Error()}
		}
	case older == "":
		if limits.Max, err = cache.MaxSize(); err != nil {
			return limits, &plan.UsageError{Text: err.Error()}
		}
	}
	if older != "" {
		if limits.Idle, err = parseAge(older); err != nil {
			return limits, &plan.UsageError{Text: "--older: " + err.Error()}
		}
	}
	return limits, nil
}

// maxDays is the most days that time.Duration holds.
const maxDays = 100 * 365

// parseAge parses a Go duration, or a number of days like 7d.
func parseAge(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration like 36h or 7d", text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n == 0 || n > maxDays {
			return 0, bad
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, bad
	case d <= 0:
		return 0, errors.New("must be more than 0")
	}
	return d, nil
}

func writePruned(w io.Writer, p cache.Pruned, dry bool) {
	verb := "removed"
	if dry {
		verb = "would remove"
	}
	for _, e := range p.Removed {
		fmt.Fprintf(w, "%s %s (%s)\n", verb, e.ID, cache.FormatSize(e.Size))
	}
	for _, e := range p.InUse {
		fmt.Fprintf(w, "kept %s (%s): in use\n", e.ID, cache.FormatSize(e.Size))
	}
	fmt.Fprintf(w, "%s %d of %d entries; %s stay\n", verb, len(p.Removed), p.Total, cache.FormatSize(p.Size))
}

// notOurs turns a cache of another user into a usage error.
func notOurs(err error) error {
	if errors.Is(err, cache.ErrNotOurs) {
		return &plan.UsageError{Text: err.Error()}
	}
	return err
}
