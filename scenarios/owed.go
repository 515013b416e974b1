package scenarios

import (
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// An Owed is what a sound kernel owes a probe in a setting.
type Owed int

const (
	OwedAllowed Owed = iota
	OwedDenied
	OwedGap     // allowed, though what its reason protects is locked
	OwedAnswers // the model's
)

// Owes says what a sound kernel owes the probe in the setting.
func (p Probe) Owes(s lockdown.Setting) Owed {
	switch {
	case p.Expect == Conforming:
		return OwedAnswers
	case p.Expect == Free:
		return OwedAllowed
	case len(p.Refusing(s)) == 0:
		return OwedAllowed
	case p.Expect == Gap && !(atBoot(s) && (p.Before != nil || p.BootHides)) && !p.masked(s):
		return OwedGap
	}
	// A gap that is an old descriptor or mapping cannot be made in the first
	// place where the lock is older, nor one through what the boot hides, nor
	// one behind another reason's door.
	return OwedDenied
}

// masked reports whether a reason is locked that refuses the probe before its
// own.
func (p Probe) masked(s lockdown.Setting) bool {
	return slices.ContainsFunc(p.Masks, func(m Mask) bool { return s.Locks(m.Reason) })
}

// Refusing lists the reasons locked in the setting that refuse the probe: its
// own first, then those that mask it.
func (p Probe) Refusing(s lockdown.Setting) (rs []lockdown.Reason) {
	if p.AtBoot && !atBoot(s) {
		return nil
	}
	if s.Locks(p.Reason) {
		rs = append(rs, p.Reason)
	}
	for _, m := range p.Masks {
		if s.Locks(m.Reason) {
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
	hidden := func(m Mask) bool { return m.BootHides && s.Locks(m.Reason) }
	return p.AtBoot || p.BootHides && s.Locks(p.Reason) || slices.ContainsFunc(p.Masks, hidden)
}

// atBoot reports whether the setting holds before user space runs.
func atBoot(s lockdown.Setting) bool { return s.How != lockdown.Runtime }
