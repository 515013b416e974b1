package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Mutation lists the mutants of one kernel's call sites.
type Mutation struct {
	Kernel, Arch string
	Interface    lockdown.Interface
	Origin       Origin
	Mutants      []Mutant
	Alarms       []string // verdicts on the kernel without a mutant that are not as expected
}

// A Mutant is a kernel in which one call of security_locked_down() always gives
// the same answer.
type Mutant struct {
	Site       string // as the kernel names it
	Call       string // file:function of the source
	Answer     string // Allow or Deny
	Status     Status
	By         []string  // probes that detected it
	DetectedBy Detection `json:",omitempty"` // Killed: the evidence that detected it
	Why        string    `json:",omitempty"` // the reason of the first probe in By, or why there is none
}

// Answers of a mutant.
const (
	Allow = "allow" // 0, whatever is locked
	Deny  = "deny"  // -EPERM, whatever is locked
)

// A Status is the outcome of a mutant.
type Status string

const (
	Killed      Status = "killed"      // a probe detected it
	Survived    Status = "survived"    // probes reached its call site, and none detected it
	NotCovered  Status = "not covered" // every probe gets the mutant's answer from the site anyway
	MutantError Status = "error"       // the guest was lost, or the lab failed
)

// A Detection is the kind of evidence that killed a mutant.
type Detection string

const (
	// DetectedByEffect: an act was allowed or denied that was not before. User
	// space can see it.
	DetectedByEffect Detection = "effect"
	// DetectedByCounters: the act ended as before, because another call refused
	// it or an error came first, and only the kernel's counters differ. They
	// come from the same series as the mutant, so this evidence is weaker.
	DetectedByCounters Detection = "counters"
	// DetectedByCrash: the guest panicked or reset.
	DetectedByCrash Detection = "crash"
)

// CountDetected counts the mutants that the evidence killed.
func (m Mutation) CountDetected(by Detection) (n int) {
	for _, x := range m.Mutants {
		if x.Status == Killed && x.DetectedBy == by {
			n++
		}
	}
	return n
}

// Alarm is the verdict that a probe must give to detect the mutant.
func (m Mutant) Alarm() Verdict {
	if m.Answer == Deny {
		return Overblocked
	}
	return Leak
}

// Count counts the mutants with a status.
func (m Mutation) Count(s Status) (n int) {
	for _, x := range m.Mutants {
		if x.Status == s {
			n++
		}
	}
	return n
}

// DetectionOf returns the evidence by which an observation detected the mutant:
// the effect only if the act had the mutant's outcome.
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

// Sound reports whether at least one mutant was killed, none survived or failed,
// and the kernel without a mutant raised no alarm.
func (m Mutation) Sound() bool {
	return m.Count(Killed) > 0 && m.Count(Survived) == 0 && m.Count(MutantError) == 0 && len(m.Alarms) == 0
}
