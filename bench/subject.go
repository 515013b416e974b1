package main

import (
	"context"
	"slices"
	"strings"
)

// A subject is something to be measured.
type subject struct {
	id    string // names the measure
	title string
	unit  string
	most  int // samples at most; 0: as many as there are turns
	turns int // samples a round, up to maxTurns; 0: one
	phase phase

	// open prepares what the samples share, before the first round. An error is
	// the reason why there are no samples.
	open func(context.Context, *bench) (sampler, error)
}

// maxTurns is the number of samples in a round for a subject that takes a
// second and is close to its target.
const maxTurns = 3

// A phase is when a subject is measured. Each has its own rounds.
type phase int

// The phases, in their order.
const (
	short phase = iota // subjects that take seconds
	whole              // whole runs, as often as time allows
	last               // subjects that take longer than all the rest
	phases
)

// A sampler takes one sample, in the subject's unit.
type sampler func(context.Context) (float64, error)

// subjects is everything that is measured, in the order in which a round takes
// its samples: what is compared with each other stands side by side.
func subjects() []subject {
	var list []subject
	for _, arch := range []string{"x86_64", "arm64"} {
		list = append(list, labSubjects(arch)...)
	}
	list = append(list, peerSubjects()...)
	return append(list, runSubjects()...)
}

// pick keeps the subjects whose names begin with one of the words; all where
// there are no words.
func pick(list []subject, words []string) []subject {
	return slices.DeleteFunc(list, func(s subject) bool {
		return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(s.id, w) })
	})
}
