package report

import (
	"fmt"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// writeJUnit writes a matrix for CI: a suite for each guest, a case for each
// probe. A kernel's fault is a failure, the lab's fault an error.
func writeJUnit(b *strings.Builder, m *matrix.Matrix) error {
	suites := junit.Testsuites{Name: "ldlab"}
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			suite := junit.Testsuite{Name: words.Clean(fmt.Sprintf("%s.%s.%s", t.Kernel, t.Arch, c.Setting)), Timestamp: words.Clean(m.Header.Started)}
			if c.Host != (matrix.Host{}) {
				suite.AddProperty("machine", words.Machines([]matrix.Host{c.Host}))
			}
			suite.AddProperty("kernel", words.Clean(strings.Join(words.Booted(t), ", ")))
			if c.Command != "" {
				suite.AddProperty("repeat", words.Clean(c.Command))
			}
			if words.Remarkable(c) {
				suite.AddProperty("guest", words.Clean(words.GuestNote(c)))
			}
			for _, r := range t.Rows {
				suite.AddTestcase(junitCase(suite.Name, r, c, r.Cells[i]))
			}
			if len(c.Splats) > 0 {
				message := words.Clean(strings.Join(c.Splats, "; "))
				suite.AddTestcase(junit.Testcase{Name: "kernel", Classname: suite.Name, Time: "0",
					Failure: &junit.Result{Message: message, Type: "the kernel reported a bug of its own"}})
			}
			if !c.End.Well() { // it may have been lost after its last probe
				suite.AddTestcase(junit.Testcase{Name: "guest", Classname: suite.Name, Time: "0",
					Error: &junit.Result{Message: words.Clean(words.GuestNote(c)), Type: string(c.End.Ending), Data: console(c)}})
			}
			suites.AddSuite(suite)
		}
	}
	if list := words.AllNotes(m); len(list) > 0 {
		suites.AddSuite(junitNotes(list, m.Measured() && len(m.StaleIssues()) == 0))
	}
	if err := suites.WriteXML(b); err != nil {
		return err
	}
	b.WriteString("\n")
	return nil
}

// junitNotes is a suite with the notes about the whole matrix.
func junitNotes(list []string, sound bool) junit.Testsuite {
	suite := junit.Testsuite{Name: "ldlab"}
	tc := junit.Testcase{Name: "notes", Classname: "ldlab", Time: "0"}
	message := words.Clean(strings.Join(list, "; "))
	if sound {
		tc.SystemOut = &junit.Output{Data: message}
	} else {
		tc.Failure = &junit.Result{Message: message, Type: "not as expected"}
	}
	suite.AddTestcase(tc)
	return suite
}

func junitCase(suite string, r matrix.TableRow, c matrix.Column, cell matrix.Cell) junit.Testcase {
	tc := junit.Testcase{Name: words.Clean(r.Probe), Classname: suite, Time: "0"}
	if cell.Observed != nil {
		tc.Time = fmt.Sprintf("%.3f", float64(max(cell.Observed.Duration, 0))/1e9)
	}
	message := string(cell.Verdict)
	if cell.Why != "" {
		message += ": " + words.Clean(cell.Why)
	}
	result := &junit.Result{Message: message, Type: string(cell.Verdict)}
	switch {
	case cell.Verdict == matrix.Unavailable || cell.Verdict == matrix.NotPlanned || cell.Verdict == matrix.Known:
		tc.Skipped = result
	case cell.Verdict.Expected():
		tc.SystemOut = &junit.Output{Data: result.Message}
	case words.AgainstKernel(cell.Judgment):
		tc.Failure = result
	case c.End.Failed() || cell.Verdict == matrix.Lost || cell.Verdict == matrix.NotRun:
		tc.Error = result
		if c.End.Lost() {
			result.Data = console(c)
		}
	default:
		tc.Failure = result
	}
	return tc
}

// console is the last lines of a guest.
func console(c matrix.Column) string {
	lines := make([]string, len(c.End.Console))
	for i, line := range c.End.Console {
		lines[i] = words.Clean(line)
	}
	return strings.Join(lines, "\n")
}
