// Package formats writes a matrix for other programs: continuous integration
// services, the kernel's own test tools and its result databases. All text from
// guests is escaped by the rules of each format.
package formats

import (
	"fmt"
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
	known status = "KNOWN" // not as expected, and a known issue
)

// statusOf gives the status of a cell. The words and their order of gravity are
// those of KCIDB. What the kernel was seen to do stays its failure, even if the lab
// failed later. A guest that was lost is an error and not a failure, because
// it does not show that lockdown let something through.
func statusOf(c matrix.Column, cell matrix.Cell) status {
	switch {
	case cell.Verdict == matrix.Unavailable || cell.Verdict == matrix.NotPlanned:
		return skip
	case cell.Verdict.Expected():
		return pass
	case cell.Verdict == matrix.Known:
		return known
	case words.AgainstKernel(cell.Judgment):
		return fail
	case c.End.Failed(), cell.Seen() == matrix.Lost, cell.Seen() == matrix.Unproven:
		return fault
	case cell.Verdict == matrix.NotRun:
		return miss
	}
	return fail
}

// unknown is a cell as it would be if nothing were known of it.
func unknown(cell matrix.Cell) matrix.Cell {
	if cell.Verdict == matrix.Known {
		cell.Verdict, cell.Of = cell.Of, ""
	}
	return cell
}

// message is a cell's verdict and its explanation, in one line.
func message(cell matrix.Cell) string {
	s := string(cell.Verdict)
	if cell.Why != "" {
		s += ": " + cell.Why
	}
	return words.Clean(s)
}

// notes are the statements about the whole matrix.
func notes(m *matrix.Matrix) []string { return clean(words.AllNotes(m)) }

func clean(list []string) []string {
	for i := range list {
		list[i] = words.Clean(list[i])
	}
	return list
}

// guestNotes are the guests that were lost, failed, did not run or ran again, a
// line each.
func guestNotes(m *matrix.Matrix) []string {
	return notesOf(m, words.Remarkable)
}

// otherGuests are those that words.Grave does not name.
func otherGuests(m *matrix.Matrix) []string {
	return notesOf(m, func(c matrix.Column) bool { return c.End.Lost() || c.End.Well() && (c.Tries != 1 || c.Second != "") })
}

func notesOf(m *matrix.Matrix, of func(matrix.Column) bool) (list []string) {
	for _, t := range m.Tables {
		for _, c := range t.Columns {
			if of(c) {
				list = append(list, words.Clean(guestName(t, c)+": "+words.GuestNote(c)))
			}
		}
	}
	return list
}

// guestName names a guest: kernel, architecture and setting.
func guestName(t matrix.Table, c matrix.Column) string {
	return fmt.Sprintf("%s %s %s", t.Kernel, t.Arch, c.Setting)
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
