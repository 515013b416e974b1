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

	// open makes ready what the samples share, before the first round. An
	// error says why there will be no samples.
	open func(context.Context, *bench) (sampler, error)
}

// maxTurns is how many samples a round takes of what lasts a second and is held
// against a target that is near.
const maxTurns = 3

// A phase is when a subject's turn comes. Each has rounds of its own.
type phase int

// The phases, in their order.
const (
	short phase = iota // what takes seconds
	whole              // whole runs, as often as there is time
	last               // what takes longer than all the rest
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
