package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/ldlab/ldlab/matrix"
)

// document is the JSON report: the matrix and what follows from it.
type document struct {
	Machine    string
	AsExpected bool
	Counts     map[matrix.Verdict]int // encoding/json sorts the keys
	Errors     []string               `json:",omitempty"`
	Squares    []*matrix.Isolation    `json:",omitempty"`
	*matrix.Matrix
}

// JSON writes a matrix for programs: everything, observations included.
func JSON(w io.Writer, m *matrix.Matrix) error {
	doc := document{Machine: Machines(m.Hosts()), AsExpected: m.AsExpected(), Counts: m.Count(), Errors: m.Errors(), Matrix: m}
	for _, t := range m.Tables {
		if sq := t.Isolation(); sq != nil {
			doc.Squares = append(doc.Squares, sq)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write JSON report: %w", err)
	}
	return nil
}
