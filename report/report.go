// Package report writes a matrix down. Each format is one file; the same
// matrix gives the same bytes.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// A Writer writes a whole matrix in one format.
type Writer func(w io.Writer, m *matrix.Matrix) error

// A Format is a name, the file it is kept in beside the results, and its writer.
type Format struct {
	Name  string
	File  string
	Write Writer
}

// Formats lists every format.
func Formats() []Format {
	return []Format{
		{"text", "report.txt", Text},
		{"markdown", "report.md", Markdown},
		{"json", "report.json", JSON},
		{"junit", "junit.xml", JUnit},
	}
}

// Find looks a format up by name.
func Find(name string) (Format, bool) {
	for _, f := range Formats() {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Machines says what ran the guests, in one line: the first of every report
// and of a run.
func Machines(ms []matrix.Machine) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, fmt.Sprintf("%s by %s (%s; %s)", m.Arch, m.Accel, m.Why, m.QEMU))
	}
	return strings.Join(parts, ", ")
}

// origin says what was booted, in one line.
func origin(t matrix.Table) string {
	o := t.Origin
	if o.Base == "" {
		return string(t.Kind)
	}
	s := fmt.Sprintf("%s, %s %s (sha256 %.12s)", t.Kind, o.Base, o.BaseVersion, o.BaseSHA256)
	if len(o.Series) > 0 {
		s += ", series " + strings.Join(o.Series, ", ")
	}
	return s + fmt.Sprintf(", image sha256 %.12s", o.ImageSHA256)
}

// counts gives the verdicts that occurred, in their order.
func counts(m *matrix.Matrix) string {
	n := m.Count()
	var parts []string
	for _, v := range matrix.Verdicts() {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	if len(parts) == 0 {
		return "no cells"
	}
	return strings.Join(parts, ", ")
}

// A finding is a cell that is not as expected.
type finding struct {
	where  string
	cell   matrix.Cell
	column matrix.Column
}

func findings(m *matrix.Matrix) []finding {
	var fs []finding
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			for _, r := range t.Rows {
				if cell := r.Cells[i]; !cell.Verdict.Expected() {
					fs = append(fs, finding{fmt.Sprintf("%s %s %s %s", t.Kernel, t.Arch, c.Setting, r.Probe), cell, c})
				}
			}
		}
	}
	return fs
}
