package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
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

// noRows is what the document has in place of the rows of a table, at the depth of no
// other member of that name.
const noRows = "\n      \"Rows\": null"

// writeJSON writes a matrix for programs, with all observations. It encodes one row at a
// time, because the whole text would need more memory than the matrix.
func writeJSON(w io.Writer, m *matrix.Matrix) error {
	var text strings.Builder
	if err := JSON(&text, documentOf(m)); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	parts := strings.Split(text.String(), noRows)
	if len(parts) != len(m.Tables)+1 {
		return fmt.Errorf("encode report: %d tables, and places for %d", len(m.Tables), len(parts)-1)
	}
	for i, t := range m.Tables {
		out.WriteString(parts[i]) // Flush returns the first error
		if len(t.Rows) == 0 {
			out.WriteString(noRows)
			continue
		}
		out.WriteString("\n      \"Rows\": [")
		for j, r := range t.Rows {
			row, err := json.MarshalIndent(r, "        ", "  ")
			if err != nil {
				return err
			}
			if j > 0 {
				out.WriteString(",")
			}
			out.WriteString("\n        ")
			out.WriteString(words.JSON(string(row)))
		}
		out.WriteString("\n      ]")
	}
	out.WriteString(parts[len(m.Tables)])
	return out.Flush()
}

// documentOf is the document without the rows of its tables.
func documentOf(m *matrix.Matrix) document {
	bare := *m
	bare.Tables = slices.Clone(m.Tables)
	for i := range bare.Tables {
		bare.Tables[i].Rows = nil
	}
	doc := document{AsExpected: m.AsExpected(), Measured: m.Measured(), Counts: m.Count(), Tally: m.Tally(), ClosedGaps: m.ClosedGaps(), Errors: m.Errors(), Splats: m.Splats(), Retried: m.Retried(), Matrix: &bare}
	for _, h := range m.Hosts() {
		doc.Machines = append(doc.Machines, words.Machines([]matrix.Host{h}))
	}
	for _, t := range m.Tables {
		doc.Reasons = append(doc.Reasons, tableReasons{t.Kernel, t.Arch, t.Reasons()})
		if iso := t.Isolation(); iso != nil {
			doc.Isolation = append(doc.Isolation, iso)
		}
	}
	return doc
}

// JSON writes a value as JSON that is safe on a terminal: control characters in
// strings are escaped.
func JSON(w io.Writer, value any) error { return words.WriteJSON(w, value) }

func coverageJSON(w io.Writer, m Measurement) error { return JSON(w, m.Coverage) }
func mutationJSON(w io.Writer, m Measurement) error { return JSON(w, m.Mutation) }
func versionsJSON(w io.Writer, m Measurement) error { return JSON(w, m.Versions) }
