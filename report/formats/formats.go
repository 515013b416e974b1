// Package formats writes a matrix for other programs: continuous integration
// services, the kernel's own test tools and its result databases. All text from
// guests is escaped by the rules of each format.
package formats

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// A status is what every format makes of a verdict.
type status string

const (
	pass  status = "PASS"
	fail  status = "FAIL"  // the kernel is not as expected
	fault status = "ERROR" // nothing follows about the kernel: the lab failed, or the guest was lost
	skip  status = "SKIP"  // the kernel or the machine lacks the target
	miss  status = "MISS"  // planned, and not run
)

// statusOf gives the status of a cell. The words and their order of gravity are
// those of KCIDB. A guest that was lost is an error and not a failure, because
// it does not show that lockdown let something through.
func statusOf(c matrix.Column, cell matrix.Cell) status {
	switch {
	case cell.Verdict == matrix.Unavailable || cell.Verdict == matrix.NotPlanned:
		return skip
	case cell.Verdict.Expected():
		return pass
	case c.End.Failed(), cell.Verdict == matrix.Lost, cell.Verdict == matrix.Unproven:
		return fault
	case cell.Verdict == matrix.NotRun:
		return miss
	}
	return fail
}

// message is a cell's verdict and its explanation, in one line.
func message(cell matrix.Cell) string {
	s := string(cell.Verdict)
	if cell.Why != "" {
		s += ": " + cell.Why
	}
	return words.Clean(s)
}

// notes are the statements about the whole matrix: what is remarkable, which
// reasons were not tested, and which guests failed in the lab.
func notes(m *matrix.Matrix) []string {
	list := words.Notes(m)
	for _, u := range m.Untested() {
		list = append(list, "not tested: "+u)
	}
	for _, e := range m.Errors() {
		list = append(list, "the lab failed: "+e)
	}
	for i := range list {
		list[i] = words.Clean(list[i])
	}
	return list
}

// guestNotes are the guests that were lost, failed, did not run or ran again, a
// line each.
func guestNotes(m *matrix.Matrix) (list []string) {
	for _, t := range m.Tables {
		for _, c := range t.Columns {
			if words.Remarkable(c) {
				list = append(list, words.Clean(guestName(t, c)+": "+words.GuestNote(c)))
			}
		}
	}
	return list
}

// guestName names a guest: kernel, architecture, setting and, if it has one, job.
func guestName(t matrix.Table, c matrix.Column) string {
	name := fmt.Sprintf("%s %s %s", t.Kernel, t.Arch, c.Setting)
	if c.Job != "" {
		name += " " + c.Job
	}
	return name
}

// absences are the reasons why probes are unavailable, a line each.
func absences(m *matrix.Matrix) (list []string) {
	for _, t := range m.Tables {
		for _, a := range words.Absences(t) {
			list = append(list, words.Clean(fmt.Sprintf("%s %s: %s: %s", t.Kernel, t.Arch, a.Why, words.ProbeList(a.Probes))))
		}
	}
	return list
}

// gravest lists the unexpected cells, the gravest verdict first; the order of
// the matrix decides among equals.
func gravest(m *matrix.Matrix) []words.Unexpected {
	list := words.AllUnexpected(m)
	order := matrix.Verdicts()
	slices.SortStableFunc(list, func(a, b words.Unexpected) int {
		return slices.Index(order, a.Verdict) - slices.Index(order, b.Verdict)
	})
	return list
}

// only keeps the characters of a text that keep accepts, and replaces each run of
// others by one instead.
func only(s string, keep func(rune) bool, instead string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		if keep(r) {
			b.WriteRune(r)
		} else if !gap {
			b.WriteString(instead)
		}
		gap = !keep(r)
	}
	return b.String()
}
