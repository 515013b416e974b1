// Package matrix turns observations into verdicts. It is pure: no os, no exec,
// no net. The same results give the same matrix.
package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// Format is the version of the results file. A file of another format is an
// error, not a guess.
const Format = 2

// A Header is the first line of a results file: what was to be run, and where.
type Header struct {
	Format   int
	Lab      string // version of the lab
	Machines []Host
	Started  string // RFC 3339
	Plan     []Guest
	Probes   []string // in the order of every report
}

// A Host says how the guests of one architecture were run.
type Host struct {
	Arch  string
	Accel string // tcg or kvm
	Why   string // why that one
	QEMU  string // what the binary says of its version
}

// A Guest is one machine of a plan: kernel x arch x setting.
type Guest struct {
	Kernel    string
	Arch      string
	Interface lockdown.Interface
	Setting   lockdown.Setting
}

// An Origin says what exactly was booted.
type Origin struct {
	Base        string // name of the base, or the path of a ready image
	BaseVersion string
	BaseSHA256  string
	Series      []string // name and sha256 of each
	Compiler    string
	ImageSHA256 string
	GuestSHA256 string // the initramfs
}

// A Result is everything one guest gave: one line of results.jsonl.
type Result struct {
	Guest
	Origin       Origin
	Config       map[string]bool // the CONFIG symbols that probes need, as the kernel was built; nil where unknown
	States       []scenarios.State
	Observations []scenarios.Observation
	Lost         *Loss  `json:",omitempty"` // the guest did not come to its end
	Error        string `json:",omitempty"` // the lab failed; nothing follows about the kernel
	Command      string // the line that repeats this boot by hand
	Forked       bool   `json:",omitempty"` // it did not boot: it is a copy of a guest that did
	Timing       []Phase
	Tries        int // boots it took: 2 where the first was lost
}

// A Loss is how a guest was lost.
type Loss struct {
	Cause   string   // panic, hang, reset, ...
	Detail  string   // one line
	Console []string // its last lines
}

// A Phase is how far a guest's life went, and when.
type Phase struct {
	Name string
	MS   int64 // since QEMU was started, ms
}

// boot finds what a machine of this guest said when it had booted.
func (r *Result) boot(where string) *scenarios.State {
	for i := range r.States {
		if s := &r.States[i]; s.When == "boot" && s.Where == where {
			return s
		}
	}
	return nil
}

// observation finds what a guest saw of a probe; nil if it did not run.
func (r *Result) observation(probe string) *scenarios.Observation {
	for i := range r.Observations {
		if r.Observations[i].Probe == probe {
			return &r.Observations[i]
		}
	}
	return nil
}
