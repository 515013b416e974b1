package matrix

// A Verdict is what an observation means against the expectation and the
// control.
type Verdict string

const (
	Enforced     Verdict = "enforced"     // denied as owed, and the kernel itself named the reason
	Shadowed     Verdict = "shadowed"     // denied as owed, by another locked reason that comes first
	Open         Verdict = "open"         // allowed as owed
	OpenGap      Verdict = "gap"          // allowed though its reason is locked, as is known
	GapClosed    Verdict = "gap closed"   // denied, and the kernel itself named the reason, where others have a gap
	Conforms     Verdict = "conforms"     // every answer is the model's
	Unavailable  Verdict = "unavailable"  // the machine lacks the target
	Leak         Verdict = "LEAK"         // allowed where it is owed a denial
	Overblocked  Verdict = "OVERBLOCKED"  // denied where nothing that is locked owes it
	Deviates     Verdict = "DEVIATES"     // lockdown's own files answer otherwise than the model
	Unattributed Verdict = "unattributed" // denied as owed, but the kernel did not say why
	Unproven     Verdict = "unproven"     // without a control that was allowed, nothing follows
	Lost         Verdict = "lost"         // the guest died, hung or went silent
	NotRun       Verdict = "not run"      // planned, and no result yet
)

// Verdicts lists every verdict: the expected ones first.
func Verdicts() []Verdict {
	return []Verdict{Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable, Leak, Overblocked, Deviates, Unattributed, Unproven, Lost, NotRun}
}

// Expected reports whether the verdict is one that a sound kernel earns.
func (v Verdict) Expected() bool {
	switch v {
	case Enforced, Shadowed, Open, OpenGap, GapClosed, Conforms, Unavailable:
		return true
	}
	return false
}

// A Judgment is a verdict and the sentence that earned it.
type Judgment struct {
	Verdict Verdict
	Why     string `json:",omitempty"`
}
