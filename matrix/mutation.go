package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Mutation is what became of the mutants of one kernel's call sites.
type Mutation struct {
	Kernel, Arch string
	Interface    lockdown.Interface
	Origin       Origin
	Mutants      []Mutant
	Alarms       []string // verdicts on the kernel without a mutant that are not as expected
}

// A Mutant is a kernel in which one call of security_locked_down() always
// gives the same answer.
type Mutant struct {
	Site       string // as the kernel names it
	Call       string // file:function of the source
	Answer     string // Allow: 0 whatever is locked; Deny: -EPERM whatever is not
	Status     Status
	By         []string  // probes that raised the alarm
	DetectedBy Detection `json:",omitempty"` // Killed: by what it was told
	Why        string    `json:",omitempty"` // what the first of them said; why there is none
}

// Answers of a mutant.
const (
	Allow = "allow"
	Deny  = "deny"
)

// A Status is what became of a mutant.
type Status string

const (
	Killed      Status = "killed"      // a probe of the site raised the alarm
	Survived    Status = "survived"    // probes asked there, and none noticed
	NotCovered  Status = "not covered" // no probe gets that answer from the site
	MutantError Status = "error"       // the guest was lost, or the lab failed
)

// A Detection is by what a killed mutant was told.
type Detection string

const (
	DetectedByEffect   Detection = "effect"   // an act was allowed, or denied, that was not before: user space sees it
	DetectedByCounters Detection = "counters" // the act ended as before, for another call or an error stood in its way: only the kernel's counts tell, which the series that makes the mutant keeps
	DetectedByCrash    Detection = "crash"    // the guest does not survive it
)

// CountDetected counts the killed mutants that were told by a sign.
func (m Mutation) CountDetected(s Detection) (n int) {
	for _, x := range m.Mutants {
		if x.Status == Killed && x.DetectedBy == s {
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
func (m Mutation) Count(f Status) (n int) {
	for _, x := range m.Mutants {
		if x.Status == f {
			n++
		}
	}
	return n
}

// DetectionOf says by what a probe told the mutant: by the act only where that came
// out as the mutant would have it.
func (m Mutant) DetectionOf(o *scenarios.Observation) Detection {
	want := scenarios.Allowed
	if m.Answer == Deny {
		want = scenarios.Denied
	}
	if o != nil && o.Outcome == want {
		return DetectedByEffect
	}
	return DetectedByCounters
}

// Sound reports whether every mutant that could be killed was, and no alarm
// was false.
func (m Mutation) Sound() bool {
	return m.Count(Killed) > 0 && m.Count(Survived) == 0 && m.Count(MutantError) == 0 && len(m.Alarms) == 0
}
