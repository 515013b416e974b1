package matrix

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
)

// Verdicts lists every verdict: the expected ones first.
func Verdicts() []Verdict {
	return []Verdict{Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable, NotPlanned, Leak, Overblocked, Deviates, NotLocked, Unattributed, Unproven, Lost, NotRun}
}

// Expected reports whether a sound kernel gets the verdict.
func (v Verdict) Expected() bool {
	switch v {
	case Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable, NotPlanned:
		return true
	}
	return false
}

// Measured reports whether the probe did its act and the verdict follows from
// what the kernel did. Cells without a measurement prove nothing, even if they
// are as expected.
func (v Verdict) Measured() bool {
	switch v {
	case Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Leak, Overblocked, Deviates, NotLocked, Unattributed:
		return true
	}
	return false
}

// A Judgment is a verdict, the rule that gave it and its explanation.
type Judgment struct {
	Verdict Verdict
	Rule    string `json:",omitempty"` // name of a rule; see Rules
	Why     string `json:",omitempty"`
}
