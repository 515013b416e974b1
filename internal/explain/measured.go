package explain

import (
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/matrix"
)

// maxMeasured bounds the cells of one answer.
const maxMeasured = 200

// Measured lists what a run saw of the probes of an answer: a line for each cell in
// which the reason may have mattered.
func (a *Answer) Measured(m *matrix.Matrix) (lines []string) {
	for _, r := range a.Reasons {
		for _, t := range m.Tables {
			for _, row := range t.Rows {
				if !slices.Contains(r.Probes, row.Probe) {
					continue
				}
				for i, c := range row.Cells {
					if !c.Verdict.Measured() || len(lines) == maxMeasured {
						continue
					}
					line := fmt.Sprintf("%s %s, %s: %s is %s", t.Kernel, t.Arch, t.Columns[i].Setting, row.Probe, c.Verdict)
					if c.Why != "" {
						line += ": " + c.Why
					}
					lines = append(lines, line)
				}
			}
		}
	}
	return lines
}
