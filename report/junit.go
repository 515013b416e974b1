package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/ldlab/ldlab/matrix"
)

// JUnit writes a matrix for CI: a suite a guest, a case a probe. What follows
// from a kernel is a failure, what follows from the lab an error.
func JUnit(w io.Writer, m *matrix.Matrix) error {
	suites := junit.Testsuites{Name: "ldlab"}
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			suite := junit.Testsuite{Name: fmt.Sprintf("%s.%s.%s", t.Kernel, t.Arch, c.Setting), Timestamp: m.Header.Started}
			suite.AddProperty("machine", Machines(m.Hosts()))
			suite.AddProperty("kernel", origin(t))
			if c.Command != "" {
				suite.AddProperty("repeat", c.Command)
			}
			for _, r := range t.Rows {
				suite.AddTestcase(junitCase(suite.Name, r, c, r.Cells[i]))
			}
			suites.AddSuite(suite)
		}
	}
	if err := suites.WriteXML(w); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitCase(suite string, r matrix.TableRow, c matrix.Column, cell matrix.Cell) junit.Testcase {
	tc := junit.Testcase{Name: r.Probe, Classname: suite, Time: "0"}
	if cell.Observed != nil {
		tc.Time = fmt.Sprintf("%.3f", float64(cell.Observed.Duration)/1e9)
	}
	result := &junit.Result{Message: clean(string(cell.Verdict) + ": " + cell.Why), Type: string(cell.Verdict)}
	switch {
	case cell.Verdict == matrix.Unavailable:
		tc.Skipped = result
	case cell.Verdict.Expected():
		tc.SystemOut = &junit.Output{Data: result.Message}
	case c.End.Failed() || cell.Verdict == matrix.Lost || cell.Verdict == matrix.NotRun:
		tc.Error = result
		if c.End.Lost() {
			var console []string
			for _, line := range c.End.Console {
				console = append(console, clean(line))
			}
			result.Data = strings.Join(console, "\n")
		}
	default:
		tc.Failure = result
	}
	return tc
}
