package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

// A fileError is a file that the user named and that cannot be read, or is
// damaged.
type fileError struct{ error }

func (e fileError) Unwrap() error { return e.error }

func newReport() *cobra.Command {
	var format, color string
	var accept accepted
	var known knownFlag
	var past string
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	c := &cobra.Command{
		Use:   "report RESULTS",
		Short: "Print the matrix of an earlier run: its directory or its results.jsonl",
		Long: `Report judges the results of an earlier run anew, and prints the matrix. What is wrong
with the file, such as a line that is damaged or a guest that is there twice, is a line
each and status 3, and the rest is reported all the same. The HTML page also has what
coverage, mutate, repro or review left beside the results, and its status is 1 if one of
these is not as expected. A text or a log that is very long ends with how much was cut;
a console begins with it.`,
		Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(names, format) {
				return plan.UnknownWord("format", format, names)
			}
			if err := checkColor(color); err != nil {
				return err
			}
			nights, err := loadHistory(c, past, format)
			if err != nil {
				return err
			}
			issues, err := known.load()
			if err != nil {
				return err
			}
			boundMemory()
			m, err := loadMatrix(c, args[0])
			if err != nil {
				return err
			}
			issues.Apply(m, time.Now())
			if format == "text" {
				if err := writeText(c, m, color, nil); err != nil {
					return err
				}
				return verdict(c, m, accept)
			}
			return writeFormat(c, format, args[0], report.Measurement{Matrix: m, History: nights}, accept)
		},
	}
	c.Flags().StringVar(&format, "format", "text", strings.Join(names, ", "))
	colorFlag(c, &color)
	accept.flags(c)
	known.flag(c)
	c.Flags().StringVar(&past, "history", "", "`file` or directory with the history of nightly runs, for charts in the HTML page")
	complete(c, "format", func() []string { return names })
	return c
}

// writeFormat prints a matrix, and returns the exit status. The page also has what
// coverage, mutate, repro or review left in the directory, and the status is that of all.
func writeFormat(c *cobra.Command, format, dir string, m report.Measurement, accept accepted) error {
	var damaged error
	if format == "html" {
		if fi, err := os.Stat(dir); err == nil && !fi.IsDir() {
			dir = filepath.Dir(dir)
		}
		var more report.Measurement
		if more, damaged = report.Beside(dir); damaged != nil {
			fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: %s\n", strings.ReplaceAll(damaged.Error(), "\n", "; "))
		}
		m = m.With(more)
	}
	if err := report.Write(c.OutOrStdout(), format, m); err != nil {
		return err
	}
	if damaged != nil {
		return exitError(exitFailed)
	}
	err := verdict(c, m.Matrix, accept)
	if err != nil && err != error(exitError(exitUntested)) {
		return err
	}
	for _, b := range m.Summary() {
		if !b.Good {
			fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: %s is not as expected: see the page\n", b.Title)
			err = exitError(exitDiffers)
		}
	}
	return err
}

// loadHistory reads the history of nightly runs, if there is one, and prints what is
// wrong with it. An error is a fileError.
func loadHistory(c *cobra.Command, path, format string) ([]history.Night, error) {
	switch {
	case path == "":
		return nil, nil
	case format != "html":
		return nil, &plan.UsageError{Text: "--history is for --format html"}
	}
	nights, notes, err := history.Load(path)
	if err != nil {
		return nil, fileError{err}
	}
	for _, n := range notes {
		fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: history: %s\n", n)
	}
	return nights, nil
}

// loadMatrix reads the results of a run, and warns if they are incomplete or were
// judged by other rows. An error is a fileError.
func loadMatrix(c *cobra.Command, file string) (*matrix.Matrix, error) {
	set, err := results.Survey(file)
	if err != nil {
		return nil, fileError{err}
	}
	if set.Cut {
		fmt.Fprintln(c.ErrOrStderr(), "ldlab: the last line of the results is incomplete, because a write was interrupted: its guest is not in the report")
	}
	if other := set.Header.OtherRows(); other != "" {
		fmt.Fprintln(c.ErrOrStderr(), "ldlab: these results were judged by other rows than this binary's: "+other)
	}
	m, err := set.Matrix()
	if err != nil {
		return nil, fileError{err}
	}
	printProblems(c, file, m)
	return m, nil
}

// printProblems prints what is wrong with results.
func printProblems(c *cobra.Command, file string, m *matrix.Matrix) {
	for _, text := range m.Problems {
		fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: %s: %s\n", file, text)
	}
}

// readerMemory is what a verb that only reads results should need, in bytes. Below it
// the collector of garbage works as usual, and above it as much as it must.
const readerMemory = 350 << 20

func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(readerMemory)
	}
}
