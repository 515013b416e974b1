// Package observe has what every probe uses: the types of a probe's report,
// and helpers that turn the error of a system call into one.
package observe

import (
	"github.com/ldlab/ldlab/lockdown"
)

// Env is what a probe knows of the run it is part of.
type Env struct {
	Setting   lockdown.Setting
	Interface lockdown.Interface
}

// An Outcome is what became of the act.
type Outcome string

const (
	Allowed     Outcome = "allowed"
	Denied      Outcome = "denied"      // refused in the way in which this site refuses
	Unavailable Outcome = "unavailable" // the machine or the kernel has no such thing
	Failed      Outcome = "failed"      // neither: an error that proves nothing
	Answered    Outcome = "answered"    // ABI: the answers are in Steps
)

// A Report is what a probe's Run returns.
type Report struct {
	Outcome Outcome
	Errno   string `json:",omitempty"` // symbolic: EPERM
	Call    string // the decisive call as strace prints it: open("/dev/mem", O_RDONLY) = EPERM
	Why     string `json:",omitempty"` // Unavailable, Failed: the CONFIG symbol, device or cause

	Ops []lockdown.Op `json:",omitempty"` // ABI: what was asked and answered, in order
}
