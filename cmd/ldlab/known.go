package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/matrix/known"
)

// A knownFlag is the flag --known: a file with known issues.
type knownFlag struct{ path string }

func (k *knownFlag) flag(c *cobra.Command) {
	c.Flags().StringVar(&k.path, "known", "", "YAML `file` with known issues, which do not change the exit status; see docs/known.md")
}

// load reads the list; nil if there is no flag. An error is a fileError.
func (k *knownFlag) load() (*known.List, error) {
	if k.path == "" {
		return nil, nil
	}
	f, err := os.Open(k.path)
	if err != nil {
		return nil, fileError{fmt.Errorf("read known issues: %w", err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, known.MaxFile+1))
	if err != nil {
		return nil, fileError{fmt.Errorf("read known issues: %w", err)}
	}
	l, err := known.Parse(k.path, text)
	if err != nil {
		return nil, fileError{err}
	}
	return l, nil
}
