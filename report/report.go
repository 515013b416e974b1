// Package report writes a matrix down. Each format is one file; the same
// matrix gives the same bytes.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
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
func Machines(ms []matrix.Host) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, fmt.Sprintf("%s: %s (%s)", m.Arch, m.Why, m.QEMU))
	}
	return strings.Join(parts, "; ")
}

// origin says what was booted, in one line.
func origin(t matrix.Table) string {
	o := t.Origin
	if o.Base == "" {
		return string(t.Interface)
	}
	s := fmt.Sprintf("%s, %s", t.Interface, o.Base)
	if o.BaseVersion != "" {
		s += fmt.Sprintf(" %s (sha256 %.12s)", o.BaseVersion, o.BaseSHA256)
	}
	if len(o.Series) > 0 {
		s += ", series " + strings.Join(o.Series, ", ")
	}
	return s + fmt.Sprintf(", image sha256 %.12s", o.ImageSHA256)
}

// apart parts the probes of known gaps from all others.
func apart(rows []matrix.TableRow) (others, gaps []matrix.TableRow) {
	for _, r := range rows {
		if r.Expect == scenarios.Gap.String() {
			gaps = append(gaps, r)
		} else {
			others = append(others, r)
		}
	}
	return others, gaps
}

// counts gives the verdicts that occurred, in their order, each with its short
// form in the matrix.
func counts(m *matrix.Matrix) string {
	n := m.Count()
	var parts []string
	for _, v := range matrix.Verdicts() {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n[v], v, short[v]))
		}
	}
	if len(parts) == 0 {
		return "no cells"
	}
	return strings.Join(parts, ", ")
}

// A finding is what is not as expected: probes of one guest that got the same
// verdict for the same reason.
type finding struct {
	guest  string // kernel, architecture and setting
	probes []string
	matrix.Judgment
	column matrix.Column
}

func findings(m *matrix.Matrix) []finding {
	var fs []finding
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			guest, first := fmt.Sprintf("%s %s %s", t.Kernel, t.Arch, c.Setting), len(fs)
			for _, r := range t.Rows {
				j := r.Cells[i].Judgment
				if j.Verdict.Expected() {
					continue
				}
				same := slices.IndexFunc(fs[first:], func(f finding) bool { return f.Judgment == j })
				if same < 0 {
					fs = append(fs, finding{guest, []string{r.Probe}, j, c})
				} else {
					fs[first+same].probes = append(fs[first+same].probes, r.Probe)
				}
			}
		}
	}
	return fs
}

// maxNamed is how many probes of a finding are named.
const maxNamed = 3

func (f finding) String() string {
	probes := strings.Join(f.probes, ", ")
	if n := len(f.probes) - maxNamed; n > 1 {
		probes = fmt.Sprintf("%s and %d more", strings.Join(f.probes[:maxNamed], ", "), n)
	}
	s := fmt.Sprintf("%s %s: %s", f.guest, probes, f.Verdict)
	if f.Why != "" {
		s += ": " + f.Why
	}
	return clean(s)
}

// clean takes from a text what a terminal or an XML reader would trip over: a
// guest wrote parts of it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
