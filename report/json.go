package report

import (
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// document is the JSON report: the matrix and its summaries.
type document struct {
	Machines   []string
	AsExpected bool
	Measured   bool                   // at least one cell shows what a kernel did
	Counts     map[matrix.Verdict]int // encoding/json sorts the keys
	Tally      matrix.Tally           // what the verdicts rest on
	ClosedGaps []string               `json:",omitempty"` // gaps for which the table of gaps is outdated
	Errors     []string               `json:",omitempty"`
	Splats     []string               `json:",omitempty"` // what kernels reported of their own bugs
	Retried    []string               `json:",omitempty"` // guests that were lost once and passed when they ran again
	Reasons    []tableReasons         // in the order of Tables
	Isolation  []*matrix.Isolation    `json:",omitempty"`
	*matrix.Matrix
}

// tableReasons sums up a table by reason.
type tableReasons struct {
	Kernel, Arch string
	matrix.Reasons
}

// writeJSON writes a matrix for programs, with all observations.
func writeJSON(b *strings.Builder, m *matrix.Matrix) error {
	doc := document{AsExpected: m.AsExpected(), Measured: m.Measured(), Counts: m.Count(), Tally: m.Tally(), ClosedGaps: m.ClosedGaps(), Errors: m.Errors(), Splats: m.Splats(), Retried: m.Retried(), Matrix: m}
	for _, h := range m.Hosts() {
		doc.Machines = append(doc.Machines, words.Machines([]matrix.Host{h}))
	}
	for _, t := range m.Tables {
		doc.Reasons = append(doc.Reasons, tableReasons{t.Kernel, t.Arch, t.Reasons()})
		if iso := t.Isolation(); iso != nil {
			doc.Isolation = append(doc.Isolation, iso)
		}
	}
	return JSON(b, doc)
}

// JSON writes a value as JSON that is safe on a terminal: control characters in
// strings are escaped.
func JSON(w io.Writer, value any) error { return words.WriteJSON(w, value) }
