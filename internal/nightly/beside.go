package nightly

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/report"
)

// A Beside is what a directory of a night has of coverage, mutants, claims or a review.
type Beside struct {
	Run    string
	Briefs []report.Brief
	all    report.Measurement
}

// beside reads what the night has beside matrices.
func (n *Night) beside() error {
	entries, err := os.ReadDir(n.Dir)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		m, err := report.Beside(filepath.Join(n.Dir, e.Name()))
		if err != nil && !slices.ContainsFunc(n.Runs, func(r Run) bool { return r.Name == e.Name() && r.Damaged }) {
			n.tell(e.Name(), strings.ReplaceAll(err.Error(), "\n", "; ")).Damaged = true
		}
		if !m.Empty() {
			n.Beside = append(n.Beside, Beside{e.Name(), m.Summary(), m})
		}
	}
	return nil
}

// measured is what a run has beside its matrix.
func (n *Night) measured(run string) report.Measurement {
	for _, b := range n.Beside {
		if b.Run == run {
			return b.all
		}
	}
	return report.Measurement{}
}
