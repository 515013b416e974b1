package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// Meaning is what a verdict means. It holds for each rule that gives it (matrix.Rules).
var Meaning = map[matrix.Verdict]string{
	matrix.Enforced:     "Denied as expected, and the kernel itself names the reason.",
	matrix.Shadowed:     "Denied as expected, by another locked reason that is checked first.",
	matrix.Open:         "Allowed as expected.",
	matrix.OpenGap:      "Allowed although its reason is locked: a known way that lockdown does not check.",
	matrix.GapClosed:    "A known gap is denied by its reason: the table of gaps is out of date.",
	matrix.Conforms:     "Lockdown's own files answered as the model does.",
	matrix.Unavailable:  "The kernel or the machine lacks the target, or the kernel lacks the reason.",
	matrix.NotPlanned:   "The sample of this setting does not have the probe.",
	matrix.Leak:         "The act or a variant of it got past lockdown, although its reason is locked.",
	matrix.Overblocked:  "An act that must be allowed was denied, or a reason that is not locked denied something.",
	matrix.Deviates:     "Lockdown's own files answered otherwise than the model.",
	matrix.NotLocked:    "Lockdown's own files show that the setting is not in force, or nothing was denied for several locked reasons.",
	matrix.Unattributed: "Denied, but the kernel did not name the right reason at the right call site, or did not log it.",
	matrix.Unproven:     "Nothing follows about lockdown: see the explanation.",
	matrix.Lost:         "The guest did not report the probe: it died, hung, went silent or left it out.",
	matrix.NotRun:       "Planned, and there is no result.",
	matrix.Known:        "Not as expected, and a known issue: see the explanation. It is not enforced.",
	matrix.Flaky:        "The guest ran twice, and only one of both verdicts is as expected.",
}

// Sound reports whether nothing is wrong with a guest itself, whatever its cells are:
// it ended well, and its kernel reported no bug of its own. A guest may be lost after
// its last probe.
func Sound(c matrix.Column) bool { return c.End.Well() && len(c.Splats) == 0 }

// AsExpected reports whether a matrix is as expected, and each guest is sound.
func AsExpected(m *matrix.Matrix) bool {
	for _, t := range m.Tables {
		if slices.ContainsFunc(t.Columns, func(c matrix.Column) bool { return !Sound(c) }) {
			return false
		}
	}
	return m.AsExpected()
}

// Grave are the statements about the whole matrix for which it is not as expected,
// whatever its cells are. Each begins with its kind and a colon.
func Grave(m *matrix.Matrix) (list []string) {
	if !m.Measured() {
		list = append(list, "nothing was measured: no cell shows what a kernel did")
	}
	for _, p := range m.Problems {
		list = append(list, "the results: "+p)
	}
	for _, s := range m.Splats() {
		list = append(list, "the kernel reported a bug of its own: "+s)
	}
	for _, i := range m.StaleIssues() {
		list = append(list, fmt.Sprintf("a known issue does not happen any more: %s: %s: %s in none of %s; take it out of the list", i.Place, i.Cell, i.Verdict, Count(i.Of, "cell")))
	}
	for _, e := range m.Errors() {
		list = append(list, "the lab failed: "+e)
	}
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			if t.LostAfterProbes(i) {
				list = append(list, fmt.Sprintf("lost after the last probe: %s %s %s: %s", t.Kernel, t.Arch, c.Setting, c.End))
			}
		}
	}
	return list
}

// Notes are important statements about the whole matrix, the grave ones first.
func Notes(m *matrix.Matrix) []string { return append(Grave(m), mild(m)...) }

func mild(m *matrix.Matrix) (list []string) {
	if gaps := m.ClosedGaps(); len(gaps) > 0 {
		list = append(list, "the table of gaps is outdated, because these known gaps are closed: "+strings.Join(gaps, ", "))
	}
	if again := m.Retried(); len(again) > 0 {
		list = append(list, fmt.Sprintf("lost once, and passed when they ran again: %s: %s", Count(len(again), "guest"), ProbeList(again)))
	}
	for _, i := range m.Issues {
		switch i.State {
		case matrix.IssueHappens:
			list = append(list, fmt.Sprintf("known issue: %s: %s: %s in %d of %s, accepted until %s: %s, %s", i.Place, i.Cell, i.Verdict, i.Cells, Count(i.Of, "cell"), i.Until, i.Reason, i.Link))
		case matrix.IssueExpired:
			list = append(list, fmt.Sprintf("a known issue expired on %s, and is not accepted any more: %s: %s: %s", i.Until, i.Place, i.Cell, i.Verdict))
		}
	}
	return list
}

// Mild are the other statements: the remarkable ones, and which reasons were not
// tested.
func Mild(m *matrix.Matrix) []string {
	list := mild(m)
	for _, u := range m.Untested() {
		list = append(list, "not tested: "+u)
	}
	return list
}

// AllNotes are all statements about the whole matrix, the grave ones first, for
// formats that do not list elsewhere which reasons were not tested.
func AllNotes(m *matrix.Matrix) []string { return append(Grave(m), Mild(m)...) }
