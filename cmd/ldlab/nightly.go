package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/about"
	"github.com/ldlab/ldlab/internal/hostcpu"
	"github.com/ldlab/ldlab/internal/nightly"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/report/words"
)

// nightlyRoot is the directory of the nights if the user names none.
const nightlyRoot = "out/nightly"

func newNightly() *cobra.Command {
	c := &cobra.Command{
		Use:   "nightly",
		Short: "Keep the directory of nightly runs: what changed, the history, a mail",
		Long: `Nightly keeps a directory for each night. It runs nothing: "make nightly" does, with
scripts/nightly, and so may any script, between "ldlab nightly begin", which prints
the directory, and "ldlab nightly end". In between, "ldlab run --resume --out
DIRECTORY/NAME" leaves its results there. See docs/nightly.md.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newNightlyBegin(), newNightlyEnd())
	return c
}

func newNightlyBegin() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "begin [ROOT]",
		Short: "Print the directory of the night: the one to go on with, or a new one",
		Long: `Begin prints the directory of a night below ROOT (default out/nightly): the newest one
that was begun less than a day ago and not ended, or a new one with the name of the
day. --dir names the directory instead.`,
		Args: func(c *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(c, args)) },
		RunE: func(c *cobra.Command, args []string) error {
			root := nightlyRoot
			if len(args) > 0 {
				root = args[0]
			}
			night, notes, err := nightly.Begin(root, dir, time.Now())
			if err != nil {
				return fileError{err}
			}
			printNotes(c, notes)
			fmt.Fprintln(c.OutOrStdout(), night)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`directory` of the night; its name is a day, such as out/nightly/2026-11-28")
	return c
}

func newNightlyEnd() *cobra.Command {
	var known knownFlag
	o := nightly.Options{}
	c := &cobra.Command{
		Use:   "end DIRECTORY",
		Short: "Compare a night with the one before, and write history, page and mail",
		Long: `End reads what the steps of a night left in its directory. It compares each run with
that of the night before, appends a line to history.jsonl beside the nights, and
writes index.html, diff.txt and mail.txt, which is empty if nothing changed, and the
page of each run, with charts. Then it removes the oldest nights: of these only files
that were there when they ended, and that were not changed since. It exits with 1 if
a step failed, or if a run is worse than the night before ("ldlab diff" tells what
that is).`,
		Example: `  test -s out/nightly/latest/mail.txt && mail -s "ldlab" me <out/nightly/latest/mail.txt`,
		Args:    oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			if o.Keep < 0 {
				return &plan.UsageError{Text: "--keep must not be negative"}
			}
			var err error
			if o.Known, err = known.load(); err != nil {
				return err
			}
			o.Lab, o.Commit, o.Table, o.Machine, o.Now = about.Version(), commit(), about.Digest(), hostcpu.Machine(), time.Now()
			boundMemory()
			n, err := nightly.End(args[0], o)
			if err != nil {
				return fileError{err}
			}
			printNotes(c, n.Notes)
			printNight(c, n)
			if !n.Good() {
				return exitError(exitDiffers)
			}
			return nil
		},
	}
	c.Flags().IntVar(&o.Keep, "keep", 30, "number of nights to keep; 0 keeps all")
	known.flag(c)
	return c
}

// printNotes prints lines that may quote results.
func printNotes(c *cobra.Command, notes []string) {
	for _, n := range notes {
		fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: nightly: %s\n", n)
	}
}

// printNight prints how the night was, and where to look.
func printNight(c *cobra.Command, n *nightly.Night) {
	w := progress.NewPrintable(c.OutOrStdout())
	for _, s := range n.Steps {
		fmt.Fprintf(w, "%-20s %s\n", s.Name, s.Status)
	}
	what := "nothing changed"
	if n.Mail != "" {
		what = "what changed: " + filepath.Join(n.Dir, nightly.MailFile)
	}
	fmt.Fprintf(w, "%s; page: %s\n", what, filepath.Join(n.Dir, nightly.PageFile))
	if len(n.Removed) > 0 {
		fmt.Fprintf(w, "removed: %s\n", words.ProbeList(n.Removed))
	}
}

// commit is the commit of the lab's source, with +dirty if that was changed; empty if the
// build does not know it.
func commit() string {
	b := about.Built()
	text := fmt.Sprintf("%.12s", b.Commit)
	if b.Modified {
		text += "+dirty"
	}
	return text
}
