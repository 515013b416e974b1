package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Mutation is what became of the mutants of one kernel's call sites.
type Mutation struct {
	Kernel, Arch string
	Kind         lockdown.Kind
	Origin       Origin
	Mutants      []Mutant
	Alarms       []string // verdicts on the kernel without a mutant that are not as expected
}

// A Mutant is a kernel in which one call of security_locked_down() always
// gives the same answer.
type Mutant struct {
	Site   string // as the kernel names it
	Call   string // file:function of the source
	Answer string // Allow: 0 whatever is locked; Deny: -EPERM whatever is not
	Fate   Fate
	By     []string // probes that raised the alarm
	Sign   Sign     `json:",omitempty"` // Killed: by what it was told
	Why    string   `json:",omitempty"` // what the first of them said; why there is none
}

// Answers of a mutant.
const (
	Allow = "allow"
	Deny  = "deny"
)

// A Fate is what became of a mutant.
type Fate string

const (
	Killed      Fate = "killed"      // a probe of the site raised the alarm
	Survived    Fate = "survived"    // probes asked there, and none noticed
	Unreachable Fate = "unreachable" // no probe gets that answer from the site
	NoVerdict   Fate = "no verdict"  // the guest was lost, or the lab failed
)

// A Sign is by what a killed mutant was told.
type Sign string

const (
	ByAct    Sign = "act"    // an act was allowed, or denied, that was not before: user space sees it
	ByCounts Sign = "counts" // the act ended as before, for another call or an error stood in its way: only the kernel's counts tell, which the series that makes the mutant keeps
	ByCrash  Sign = "crash"  // the guest does not survive it
)

// Told counts the killed mutants that were told by a sign.
func (m Mutation) Told(s Sign) (n int) {
	for _, x := range m.Mutants {
		if x.Fate == Killed && x.Sign == s {
			n++
		}
	}
	return n
}

// Alarm is the verdict that must meet the mutant.
func (m Mutant) Alarm() Verdict {
	if m.Answer == Deny {
		return Overblocked
	}
	return Leak
}

// Count counts the mutants with a fate.
func (m Mutation) Count(f Fate) (n int) {
	for _, x := range m.Mutants {
		if x.Fate == f {
			n++
		}
	}
	return n
}

// SignOf says by what a probe told the mutant: by the act only where that came
// out as the mutant would have it.
func (m Mutant) SignOf(o *scenarios.Observation) Sign {
	want := scenarios.Allowed
	if m.Answer == Deny {
		want = scenarios.Denied
	}
	if o != nil && o.Outcome == want {
		return ByAct
	}
	return ByCounts
}

// Sound reports whether every mutant that could be killed was, and no alarm
// was false.
func (m Mutation) Sound() bool {
	return m.Count(Killed) > 0 && m.Count(Survived) == 0 && m.Count(NoVerdict) == 0 && len(m.Alarms) == 0
}
