package main

import (
	"io"
	"os"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/plan"
)

// TestScreenOf is about what is no terminal; testdata/script/terminal.txt has one.
func TestScreenOf(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		w       io.Writer
		color   string
		columns string
		ok      bool
		width   int
	}{
		{file, "auto", "70", false, 0}, {file, "never", "70", false, 0}, {io.Discard, "auto", "", false, 0},
		{file, "always", "70", true, 70}, {io.Discard, "always", "", true, defaultWidth}, {file, "always", "-3", true, defaultWidth}, {file, "always", "wide", true, defaultWidth},
	} {
		s, ok := screenOf(c.w, c.color, func(name string) string {
			return map[string]string{"COLUMNS": c.columns, "NO_COLOR": "1", "TERM": "dumb"}[name]
		})
		if ok != c.ok || s.Width != c.width || s.Color != c.ok {
			t.Errorf("%+v: %+v, %t", c, s, ok)
		}
	}
}

func TestKernelFlagsGiven(t *testing.T) {
	c := &cobra.Command{}
	kernelFlags(c, &plan.Selection{})
	if err := c.ParseFlags([]string{"--kernel", "stock", "--series", "a.patch,b.patch", "--series", "c.patch", "--source", "dir:/x"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"--series", "a.patch", "--series", "b.patch", "--series", "c.patch", "--source", "dir:/x"}
	if got := kernelFlagsGiven(c.Flags()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
