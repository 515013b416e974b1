package scenarios

import (
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// An ExpectedOutcome is the outcome of a probe on a sound kernel in a setting.
type ExpectedOutcome int

const (
	ExpectAllowed ExpectedOutcome = iota
	ExpectDenied
	ExpectGap     // allowed, though what its reason protects is locked
	ExpectAnswers // the model's
)

// Expected returns the outcome of the probe on a sound kernel in the setting.
func (p Probe) Expected(s lockdown.Setting) ExpectedOutcome {
	switch {
	case p.Expect == ABI || p.Expect == Steps:
		return ExpectAnswers
	case p.Expect == Unchecked:
		return ExpectAllowed
	case len(p.Refusing(s)) == 0:
		return ExpectAllowed
	case p.Expect == Gap && !(atBoot(s) && (p.Setup != nil || p.AbsentIfLockedAtBoot)) && !p.shadowed(s):
		return ExpectGap
	}
	// A gap is expected to be closed if the lock predates it: the descriptor or
	// mapping cannot be created, the object does not exist after boot, or
	// another locked reason is checked first.
	return ExpectDenied
}

// shadowed reports whether the setting locks a reason that is checked before the
// probe's own.
func (p Probe) shadowed(s lockdown.Setting) bool {
	return slices.ContainsFunc(p.ShadowedBy, func(m Shadow) bool { return m.refuses(s) })
}

// refuses reports whether the shadow refuses the act in the setting.
func (m Shadow) refuses(s lockdown.Setting) bool {
	return s.Locks(m.Reason) && (!m.AtBoot || atBoot(s))
}

// Refusing lists the reasons locked in the setting that refuse the probe: its
// own first, then those that shadow it.
func (p Probe) Refusing(s lockdown.Setting) (rs []lockdown.Reason) {
	if p.CheckedAtBoot && !atBoot(s) {
		return nil
	}
	if s.Locks(p.Reason) {
		rs = append(rs, p.Reason)
	}
	for _, m := range p.ShadowedBy {
		if m.refuses(s) {
			rs = append(rs, m.Reason)
		}
	}
	return rs
}

// DeniedAtBoot reports whether, in the setting, the evidence for the probe's
// denial is that of the kernel's boot.
func (p Probe) DeniedAtBoot(s lockdown.Setting) bool {
	if !atBoot(s) || len(p.Refusing(s)) == 0 {
		return false
	}
	hidden := func(m Shadow) bool { return m.AbsentIfLockedAtBoot && s.Locks(m.Reason) }
	return p.CheckedAtBoot || p.AbsentIfLockedAtBoot && s.Locks(p.Reason) || slices.ContainsFunc(p.ShadowedBy, hidden)
}

// atBoot reports whether the setting holds before user space runs.
func atBoot(s lockdown.Setting) bool { return s.Via != lockdown.Runtime }
