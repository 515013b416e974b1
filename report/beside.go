package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/findings"
)

// maxBeside bounds a file that is read, in bytes: that of all claims has 1 MiB.
const maxBeside = 256 << 20

// beside are the files that verbs write beside results, and the field that each has.
var beside = []struct {
	name string
	of   func(*Measurement) any
}{
	{"coverage.json", func(m *Measurement) any { return &m.Coverage }},
	{"mutation.json", func(m *Measurement) any { return &m.Mutation }},
	{"findings.json", func(m *Measurement) any { return &m.Findings }},
	{"review.json", func(m *Measurement) any { return &m.Review }},
}

// Keep writes views of a measurement to a directory, each to its file.
func Keep(dir string, m Measurement, names ...string) error {
	for _, name := range names {
		var b bytes.Buffer
		if err := Write(&b, name, m); err != nil {
			return err
		}
		v, _ := Find(name)
		file := v.File
		if file == "" {
			file = v.Golden
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = renameio.WriteFile(filepath.Join(dir, file), b.Bytes(), 0o644)
		}
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// Beside reads what the verbs coverage, mutate, repro and review left in a directory.
// What cannot be read is left out, and the error names it.
func Beside(dir string) (m Measurement, err error) {
	for _, f := range beside {
		var one Measurement
		e := readJSON(filepath.Join(dir, f.name), f.of(&one))
		if e == nil {
			e = one.undecided(f.name)
		}
		switch {
		case errors.Is(e, os.ErrNotExist):
		case e != nil:
			err = errors.Join(err, e)
		default:
			m = m.With(one)
		}
	}
	return m, err
}

// undecided is an error if the file has a claim without a status, which would be as
// recorded.
func (m Measurement) undecided(file string) error {
	for i, o := range m.Findings {
		if o.ID == "" || !slices.Contains(findings.Statuses(), o.Status) {
			return fmt.Errorf("read report %s: claim %d, %.80q, has the status %.80q", file, i+1, o.ID, o.Status)
		}
	}
	return nil
}

func readJSON(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBeside))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read report %s: %w", path, err)
	}
	return nil
}

// With adds another measurement's coverage, mutation, findings and review.
func (m Measurement) With(o Measurement) Measurement {
	m.Coverage, m.Mutation, m.Findings = append(m.Coverage, o.Coverage...), append(m.Mutation, o.Mutation...), append(m.Findings, o.Findings...)
	if o.Review != nil {
		m.Review = o.Review
	}
	return m
}

// Empty reports whether there is nothing beside a matrix.
func (m Measurement) Empty() bool { return len(sectionsOf(m)) == 0 }

// Summary has a line for each view beside the matrix: its address, title and result.
func (m Measurement) Summary() (list []Brief) {
	for _, s := range sectionsOf(m) {
		list = append(list, Brief{s.Name, s.Title, s.Good, strings.Join(s.Summary, "; ")})
	}
	return list
}

// A Brief is one view of a page in a line.
type Brief struct {
	Name, Title string
	Good        bool
	Text        string
}
