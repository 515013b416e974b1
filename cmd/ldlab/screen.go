package main

import (
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/report/terminal"
)

// colors are the values of --color.
var colors = []string{"auto", "always", "never"}

// defaultWidth is a terminal's that does not tell its width, in columns.
const defaultWidth = 80

func colorFlag(c *cobra.Command, color *string) {
	c.Flags().StringVar(color, "color", "auto", "auto: colours on a terminal, unless NO_COLOR is set; always; never")
	complete(c, "color", func() []string { return colors })
}

func checkColor(color string) error {
	for _, c := range colors {
		if c == color {
			return nil
		}
	}
	return plan.UnknownWord("value of --color", color, colors)
}

// screenOf is the screen that a writer is, or is to be treated as; ok is false if the
// text goes elsewhere, and stays as it is in a file. COLUMNS is stronger than what the
// terminal tells, and --color than NO_COLOR.
func screenOf(w io.Writer, color string, getenv func(string) string) (s terminal.Screen, ok bool) {
	f, isFile := w.(*os.File)
	isTerminal := isFile && term.IsTerminal(int(f.Fd()))
	if !isTerminal && color != "always" {
		return s, false
	}
	s.Width = defaultWidth
	if isTerminal {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			s.Width = n
		}
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		s.Width = n
	}
	s.Color = color == "always" || color == "auto" && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return s, true
}

// writeText prints a matrix. If the output is a terminal, the text fits its width and has
// colours. flags are those flags of the run that a command needs to repeat a cell.
func writeText(c *cobra.Command, m *matrix.Matrix, color string, flags []string) error {
	if s, ok := screenOf(c.OutOrStdout(), color, os.Getenv); ok {
		s.Flags = flags
		return terminal.Write(c.OutOrStdout(), m, s)
	}
	return report.Write(c.OutOrStdout(), "text", report.Measurement{Matrix: m})
}

// kernelFlagsGiven are the flags that change what the kernels are, as the user gave
// them. The other flags that select guests follow from the results.
func kernelFlagsGiven(f *pflag.FlagSet) (list []string) {
	for _, name := range []string{"series", "source", "image", "config", "sites", "modules"} {
		flag := f.Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if many, ok := flag.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			list = append(list, "--"+name, v)
		}
	}
	return list
}
