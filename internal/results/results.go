// Package results owns the results file: its format, how results are appended
// to it while guests run, and how it is read again. A file that was damaged or
// edited is an error, not a guess.
package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/matrix"
)

// File is the name of the file of results in a run's directory.
const File = "results.jsonl"

// A Set is what a results file holds.
type Set struct {
	Header  matrix.Header
	Results []matrix.Result // of kernels as they are
	Mutants []matrix.Result // of mutants; see matrix.Result.Mutant
	Again   []matrix.Result // second runs of guests; see matrix.Result.Again
	Cut     bool            // the last line was cut off, as an interrupted write leaves it

	Problems []string // what is wrong with the file, a line each; see Survey
}

// Each hands over every result of the results file path, or of that of the run's
// directory path, one after the other. A last line that was cut off is left out.
func Each(path string, visit func(matrix.Result)) (matrix.Header, error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, File)
	}
	f, err := os.Open(path)
	if err != nil {
		return matrix.Header{}, fmt.Errorf("open results: %w", err)
	}
	defer f.Close()
	h, err := Read(f, func(r matrix.Result) error { visit(r); return nil })
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && corrupt.Cut && corrupt.Line > 1 {
		err = nil
	}
	if err != nil {
		return h, fmt.Errorf("read %s: %w", path, err)
	}
	return h, nil
}

// Load reads the results file path, or that of the run's directory path. A last
// line that was cut off is left out, and Cut is set. Every other damage is a
// *CorruptError.
func Load(path string) (*Set, error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, File)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	defer f.Close()
	s := &Set{}
	s.Header, err = Read(f, func(r matrix.Result) error {
		s.add(r)
		return nil
	})
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && corrupt.Cut && corrupt.Line > 1 {
		s.Cut, err = true, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

func (s *Set) add(r matrix.Result) {
	list := &s.Results
	switch {
	case r.Mutant != "":
		list = &s.Mutants
	case r.Again:
		list = &s.Again
	}
	*list = append(*list, r)
}

// Matrix judges the results. Its problems are those of the file, too.
func (s *Set) Matrix() (*matrix.Matrix, error) {
	m, err := matrix.Build(s.Header, slices.Concat(s.Results, s.Again))
	if err == nil {
		m.Problems = slices.Concat(s.Problems, m.Problems)
	}
	return m, err
}
