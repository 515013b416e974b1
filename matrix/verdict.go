package matrix

import (
	"cmp"
	"slices"
	"strings"
)

// A Verdict is what an observation means against the expectation and the
// control.
type Verdict string

const (
	Enforced     Verdict = "enforced"     // denied as expected, and the kernel itself names the reason
	Shadowed     Verdict = "shadowed"     // denied as expected, by another locked reason that is checked first
	Open         Verdict = "open"         // allowed as expected
	OpenGap      Verdict = "gap"          // allowed although its reason is locked: a known gap
	GapClosed    Verdict = "gap closed"   // a known gap is denied, and the kernel names its reason: the table of gaps is outdated
	Conforms     Verdict = "conforms"     // every answer is the model's
	Unavailable  Verdict = "unavailable"  // the kernel or the machine lacks the target, for a reason that was checked
	Leak         Verdict = "LEAK"         // allowed, and expected to be denied
	Overblocked  Verdict = "OVERBLOCKED"  // denied, and expected to be allowed
	Deviates     Verdict = "DEVIATES"     // an answer of lockdown's own files differs from the model's
	NotLocked    Verdict = "not locked"   // lockdown's files show that the setting is not in force
	Unattributed Verdict = "unattributed" // denied as expected, but the kernel did not name the reason
	Unproven     Verdict = "unproven"     // nothing follows: no control was allowed, or the target is absent without an explanation
	Lost         Verdict = "lost"         // the guest died, hung or went silent
	NotRun       Verdict = "not run"      // planned, and no result yet
	NotPlanned   Verdict = "not planned"  // the setting's sample of the probes does not have it
	Known        Verdict = "known"        // it has the unexpected verdict that a list of known issues names; see package known
	Flaky        Verdict = "flaky"        // its guest ran twice, and only one of both verdicts is expected
)

// Verdicts lists every verdict: the expected ones first, and then the gravest first.
func Verdicts() []Verdict {
	return []Verdict{Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable, NotPlanned, Leak, Overblocked, Deviates, NotLocked, Flaky, Unattributed, Unproven, Lost, NotRun, Known}
}

// Judged lists the verdicts that a rule gives to one observation: all but those of a
// list of known issues and of a second run.
func Judged() []Verdict {
	return slices.DeleteFunc(Verdicts(), func(v Verdict) bool { return v == Known || v == Flaky })
}

// Expected reports whether a sound kernel gets the verdict. A known issue is not
// expected; it is accepted, see AsExpected.
func (v Verdict) Expected() bool {
	return slices.Contains([]Verdict{Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable, NotPlanned}, v)
}

// Measured reports whether the probe did its act and the verdict follows from
// what the kernel did. Cells without a measurement prove nothing, even if they
// are as expected.
func (v Verdict) Measured() bool {
	return slices.Contains([]Verdict{Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Leak, Overblocked, Deviates, NotLocked, Unattributed}, v)
}

// A Judgment is a verdict, the rule that gave it and its explanation.
type Judgment struct {
	Verdict Verdict
	Of      Verdict `json:",omitempty"` // of a known issue, and of a flaky cell: its unexpected verdict
	Rule    string  `json:",omitempty"` // name of a rule; see Rules
	Why     string  `json:",omitempty"`
}

// Seen is the verdict, or that of a known issue or of a flaky cell which was not
// expected.
func (j Judgment) Seen() Verdict { return cmp.Or(j.Of, j.Verdict) }

// again joins the judgments of a cell whose guest ran twice. A cell of which one is
// expected and the other is not is flaky, whichever came first. Of two that are not
// expected the graver one counts, and names the other.
func (j Judgment) again(second Judgment) Judgment {
	switch {
	case j.Verdict.Expected() && second.Verdict.Expected():
		return j
	case j.Verdict == second.Verdict:
		return j
	}
	both := string(j.Verdict) + ", then " + string(second.Verdict)
	bad := j
	if j.Verdict.Expected() || !second.Verdict.Expected() && slices.Index(Verdicts(), second.Verdict) < slices.Index(Verdicts(), j.Verdict) {
		bad = second
	}
	if bad.Why = strings.TrimSuffix(both+": "+bad.Why, ": "); j.Verdict.Expected() || second.Verdict.Expected() {
		bad.Of, bad.Verdict = bad.Verdict, Flaky
	}
	return bad
}
