// Package results owns the results file: its format, how results are appended
// to it while guests run, and how it is read again. A run does not go on with a file
// that was damaged or edited; a report tells what is wrong and shows the rest.
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
	h, _, err := each(path, visit)
	return h, err
}

// Load reads the results file path, or that of the run's directory path. A last
// line that was cut off is left out, and Cut is set. Every other damage is a
// *CorruptError.
func Load(path string) (*Set, error) {
	s := &Set{}
	var err error
	if s.Header, s.Cut, err = each(path, s.add); err != nil {
		return nil, err
	}
	return s, nil
}

// each is Each, and reports whether the last line was cut off.
func each(path string, visit func(matrix.Result)) (h matrix.Header, cut bool, err error) {
	f, err := open(path)
	if err != nil {
		return h, false, err
	}
	defer f.Close()
	h, err = Read(f, func(r matrix.Result) error { visit(r); return nil })
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && corrupt.Cut && corrupt.Line > 1 {
		cut, err = true, nil
	}
	if err != nil {
		return h, false, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return h, cut, nil
}

// open opens the results file path, or that of the run's directory path.
func open(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, File)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	return f, nil
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
