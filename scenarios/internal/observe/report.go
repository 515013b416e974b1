// Package observe has the type of a probe's report, and helpers that turn the
// error of a system call into one.
package observe

import (
	"github.com/ldlab/ldlab/lockdown"
)

// Env describes the run that a probe is part of.
type Env struct {
	Setting   lockdown.Setting
	Interface lockdown.Interface
	Steps     []Step // of a finding
}

// An Outcome is the outcome of an act.
type Outcome string

const (
	Allowed     Outcome = "allowed"
	Denied      Outcome = "denied"      // refused with the error of this call site
	Unavailable Outcome = "unavailable" // the machine or the kernel lacks the target
	Failed      Outcome = "failed"      // another error, which proves nothing
	Answered    Outcome = "answered"    // ABI: the answers are in Ops
)

// A Report is what a probe's Run returns.
type Report struct {
	Outcome Outcome
	Errno   string `json:",omitempty"` // symbolic: EPERM
	Call    string // the decisive call as strace prints it: open("/dev/mem", O_RDONLY) = EPERM
	Why     string `json:",omitempty"` // Unavailable, Failed: the CONFIG symbol, device or cause

	// Face is how the act was denied, if not by the error of its call site:
	// EACCES, a file that is gone, an attribute that is missing. Other causes
	// look alike, so such a denial counts only if the kernel itself names
	// lockdown.
	Face string `json:",omitempty"`

	Effect Effect `json:",omitempty"` // what a look at the act's object showed; empty: the probe did not look
	Look   string `json:",omitempty"` // the look as strace prints it: read("/sys/kernel/kexec_loaded") = "1"

	// Stuck is set if the kernel keeps a thread of the probe for ever, so that not
	// even SIGKILL ends its process.
	Stuck bool `json:",omitempty"`

	Ops []lockdown.Op `json:",omitempty"` // ABI: the operations and their answers, in order

	Steps []Step `json:",omitempty"` // of a finding, with their answers
}

// After is the report of an act that was done again because the time before proved
// nothing: if that was allowed, a later denial does not take it back.
func (r Report) After(before Report) Report {
	if before.Outcome == Allowed && r.Outcome == Denied {
		return before
	}
	return r
}
