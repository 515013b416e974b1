// Package findings has claims about lockdown that somebody made in a review, an
// advisory or a bug report, written down so that a run decides them. It is pure but
// for reading: claims to plans, and matrices to outcomes.
package findings

import (
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/internal/strictyaml"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Kind is where a claim comes from.
type Kind string

const (
	Review   Kind = "review"     // of a patch series
	History  Kind = "history"    // a hole that a fix closed, or what a change left of one
	Report   Kind = "bug report" // of a user or a tool
	Impostor Kind = "impostor"   // a refusal that looks like lockdown's
	Gap      Kind = "gap"        // a way that lockdown does not check
)

// Kinds lists every kind, in the order of every listing.
func Kinds() []Kind { return []Kind{Review, History, Report, Impostor, Gap} }

// A Status is what a run makes of a claim.
type Status string

const (
	Reproduced    Status = "reproduced"     // the kernel does what is claimed
	Refuted       Status = "refuted"        // it does something else
	NotApplicable Status = "not applicable" // the kernel or the machine lacks what the claim is about
	Undecided     Status = "undecided"      // the run proves nothing: a guest was lost, a kernel was not built
)

// Statuses lists every status.
func Statuses() []Status { return []Status{Reproduced, Refuted, NotApplicable, Undecided} }

// A Finding is one claim: one file of the library.
type Finding struct {
	ID     string
	File   string // for messages; not where the claim comes from
	Kind   Kind
	Claim  string   // in our own words
	Source []string // addresses, Message-IDs, commits
	Note   string   `json:",omitempty"` // what is to be known beside the claim

	Kernel  string   // of the table of kernels; NAME@BASE for another base
	Arches  []string // on which it is claimed
	Setting string   // of the steps that name none
	Append  string   `json:",omitempty"` // kernel arguments
	Machine scenarios.MachineKind

	// Patch takes a fix out of the kernel. The claim must then hold with it and
	// not without it. It is a file or a directory of kernels/patches/history or
	// kernels/mutants, or a path from the directory of the finding's own file.
	Patch string `json:",omitempty"`

	// OnTop is such a patch that the claim is about. There is no run without it.
	OnTop string `json:",omitempty"`

	// OutOfReach is why no run of the lab can decide the claim. It then has no
	// steps.
	OutOfReach string `json:",omitempty"`

	Expect Status // what the last run of it found
	Steps  []Step

	in strictyaml.File // where it was read
}

// At is the error for a part of the finding's file: a key, or that of a step, such as
// "steps[0].setting". It is an *Error.
func (f Finding) At(key, format string, args ...any) error {
	e := &Error{File: f.File, Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if f.in.Name != "" {
		e.Line, e.Column = f.in.Place("$." + key)
	}
	return e
}

// A Step is one act of a finding and what it shows if the claim is right. It has a
// probe, or an act of its own.
type Step struct {
	Setting string `json:",omitempty"` // where it is done

	Probe   string           `json:",omitempty"` // scenario/probe
	Verdict []matrix.Verdict `json:",omitempty"` // one of these

	Act       scenarios.Step
	Answer    string          `json:",omitempty"` // errno, or Ok; empty: see Expects
	RefutedBy string          `json:",omitempty"` // an errno that refutes the claim, although a target that is not there gives it, too
	Is        *string         `json:",omitempty"` // what is read, to the letter
	Has       []string        `json:",omitempty"` // what is read has these texts
	Lacks     []string        `json:",omitempty"` // and not these
	Names     lockdown.Reason `json:",omitempty"` // the kernel names it for the step's denial; Nobody: it names none
	Lines     *int            `json:",omitempty"` // denial lines that it logs
	Most      *int            `json:",omitempty"` // or at most so many
	Logs      []string        `json:",omitempty"` // it logs a line with each of these texts
	LogsNot   []string        `json:",omitempty"` // and none with one of these
}

// Ok is the answer of an act that succeeds.
const Ok = "ok"

// Nobody stands in Names for no reason at all: the refusal is not lockdown's.
const Nobody lockdown.Reason = "none"

// Expects reports whether the claim depends on the step. Another step prepares
// something, and must succeed.
func (s Step) Expects() bool {
	return s.Probe != "" || s.Answer != "" || s.Is != nil || len(s.Has) > 0 || len(s.Lacks) > 0 || s.Names != "" || s.Lines != nil || s.Most != nil || len(s.Logs) > 0 || len(s.LogsNot) > 0
}

// setting is where a step is done.
func (f Finding) setting(s Step) string {
	if s.Setting != "" {
		return s.Setting
	}
	return f.Setting
}

// Settings lists those of all steps, each once.
func (f Finding) Settings() (list []string) {
	for _, s := range f.Steps {
		if set := f.setting(s); !slices.Contains(list, set) {
			list = append(list, set)
		}
	}
	return list
}

// settings lists those of the steps that have an act of their own, each once.
func (f Finding) settings() (list []string) {
	for _, s := range f.Steps {
		if set := f.setting(s); s.Probe == "" && !slices.Contains(list, set) {
			list = append(list, set)
		}
	}
	return list
}
