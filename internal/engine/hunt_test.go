package engine

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/lockdown"
)

// This file draws random sequences of lockdown's files and holds what a kernel
// answers against the model; model_test.go has the kernels.

// A runner gives a kernel, fresh from boot and brought into the setting, a
// sequence, and returns it with the kernel's answers.
type runner func(lockdown.Setting, []lockdown.Op) ([]lockdown.Op, error)

// A hunt looks for a sequence that a kernel answers otherwise than the model.
type hunt struct {
	kind     lockdown.Interface
	settings []lockdown.Setting // to begin in, the simplest first
	run      runner

	sequences, steps, tries int                   // drawn and run; run to make one smaller
	found                   *lockdown.Unexplained // the smallest that was found
	in                      lockdown.Setting      // and where it begins
	err                     error                 // the hunt could not go on
	tried                   map[string]bool       // to no avail
	crossed                 int                   // sequences in which those at once came in another order than written
}

// check is one random sequence. After a find there are no others: what rapid
// would shrink is the numbers that were drawn, with thousands of tries, and
// each would take a fork.
func (h *hunt) check(t *rapid.T) {
	if h.found == nil && h.err == nil {
		h.in = rapid.SampledFrom(h.settings).Draw(t, "setting")
		sequence := drawSequence(t, h.kind)
		h.sequences, h.steps = h.sequences+1, h.steps+len(sequence)
		if h.differs(h.in, sequence) {
			h.shrink()
		}
	}
	if h.err != nil {
		t.Fatal(h.err)
	}
	if h.found != nil {
		t.Fatal("the kernel and the model differ")
	}
}

// differs runs a sequence and keeps it where the kernel differs, up to there.
func (h *hunt) differs(s lockdown.Setting, sequence []lockdown.Op) bool {
	answers, err := h.run(s, sequence)
	if err == nil {
		err = lockdown.Explain(h.kind, s, answers)
	}
	var un *lockdown.Unexplained
	switch {
	case err == nil:
		inOrder := slices.Clone(answers)
		for i := range inOrder {
			inOrder[i].Group = 0
			inOrder[i].Same = inOrder[i].Same && answers[i].Group == 0
		}
		if lockdown.Explain(h.kind, s, inOrder) != nil {
			h.crossed++
		}
	case errors.As(err, &un):
		h.found, h.in = un, s
		return true
	case h.found == nil:
		h.err = err
	}
	return false
}

// shrinkTime is how long a sequence may be made smaller. Where nothing boots,
// it takes no time at all.
const shrinkTime = time.Minute

// shrink makes the sequence that was found smaller as long as that can be done.
func (h *hunt) shrink() {
	h.tried = map[string]bool{}
	for end := time.Now().Add(shrinkTime); h.smaller(end); {
	}
}

// smaller finds one that is smaller and still shows a difference.
func (h *hunt) smaller(end time.Time) bool {
	again := func(s lockdown.Setting, sequence []lockdown.Op) bool {
		key := fmt.Sprintf("%s %#v", s, sequence)
		if h.tried[key] {
			return false
		}
		h.tried[key] = true
		tries := 1
		if slices.ContainsFunc(sequence, func(s lockdown.Op) bool { return s.Group != 0 }) {
			tries = 3 // who comes first is chance
		}
		for range tries {
			if time.Now().After(end) {
				return false
			}
			if h.tries++; h.differs(s, sequence) {
				return true
			}
		}
		return false
	}
	sequence := asked(h.found.Ops[:h.found.To])
	for _, s := range h.settings {
		if s.String() == h.in.String() {
			break
		}
		if again(s, sequence) {
			return true
		}
	}
	for candidate := range simpler(sequence) {
		if again(h.in, candidate) {
			return true
		}
	}
	return false
}

// report is the smallest difference that was found.
func (h *hunt) report() string {
	if h.found == nil {
		return "no difference"
	}
	return fmt.Sprintf("%s kernel, %s, %d tries:\n%s", h.kind, h.in, h.tries, h.found.Transcript())
}

// asked is a sequence without its answers.
func asked(steps []lockdown.Op) []lockdown.Op {
	steps = slices.Clone(steps)
	for i := range steps {
		if steps[i].Err = ""; steps[i].Call == "read" {
			steps[i].Data = ""
		}
	}
	return steps
}

// simpler gives sequences that are a little simpler than one: first with fewer
// operations, then with simpler ones.
func simpler(sequence []lockdown.Op) iter.Seq[[]lockdown.Op] {
	return func(yield func([]lockdown.Op) bool) {
		give := func(ops []lockdown.Op) bool {
			for i := range ops { // the first of what was on one descriptor may be gone
				if s := &ops[i]; s.Same && (i == 0 || ops[i-1].File != s.File || ops[i-1].Group != s.Group) {
					s.Same = false
				}
			}
			return yield(ops)
		}
		if giveFewer(sequence, give) {
			giveSimpler(sequence, give)
		}
	}
}

// giveFewer gives the sequence without some parts, without some writers of a
// part, without some operations, and with those at once one after the other. It
// returns false if give does.
func giveFewer(sequence []lockdown.Op, give func([]lockdown.Op) bool) bool {
	parts := lockdown.Parts(sequence)
	for rest := range without(parts) {
		if !give(slices.Concat(rest...)) {
			return false
		}
	}
	for i, part := range parts {
		instead := func(ops []lockdown.Op) bool {
			return give(slices.Concat(slices.Concat(parts[:i]...), ops, slices.Concat(parts[i+1:]...)))
		}
		for rest := range without(lockdown.Writers(part)) {
			if !instead(slices.Concat(rest...)) {
				return false
			}
		}
		after := slices.Clone(part)
		for j := range after {
			after[j].Group = 0
		}
		if part[0].Group != 0 && !instead(after) {
			return false
		}
	}
	for rest := range without(sequence) {
		if !give(rest) {
			return false
		}
	}
	return true
}

// giveSimpler gives the sequence with one operation changed: without its offset,
// with a descriptor of its own, joined with the one before it, or with less data.
func giveSimpler(sequence []lockdown.Op, give func([]lockdown.Op) bool) {
	change := func(i int, f func(*lockdown.Op)) bool {
		ops := slices.Clone(sequence)
		f(&ops[i])
		return give(ops)
	}
	for i, s := range sequence {
		if s.At != 0 && !change(i, func(s *lockdown.Op) { s.At = 0 }) ||
			s.Same && !change(i, func(s *lockdown.Op) { s.Same = false }) {
			return
		}
		if s.Call != "write" {
			continue
		}
		if i > 0 && s.Same && sequence[i-1].Call == "write" { // two pieces as one
			joined := slices.Delete(slices.Clone(sequence), i, i+1)
			joined[i-1].Data += s.Data
			if !give(joined) {
				return
			}
		}
		for words := range without(strings.Split(s.Data, ",")) {
			if !change(i, func(s *lockdown.Op) { s.Data = strings.Join(words, ",") }) {
				return
			}
		}
		for rest := range without([]byte(s.Data)) {
			if !change(i, func(s *lockdown.Op) { s.Data = string(rest) }) {
				return
			}
		}
	}
}

// pieces is how fine without cuts.
const pieces = 32

// without gives a list without one piece of it: all but the last of it first,
// which is where the difference came to light, then half of it, and so on.
func without[T any](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		if n := len(list); n > 2 && !yield(slices.Clone(list[n-1:])) {
			return
		}
		for n := (len(list) + 1) / 2; n > 0 && n*pieces >= len(list) && len(list) > 1; n /= 2 {
			for i := 0; i < len(list); i += n {
				if !yield(slices.Delete(slices.Clone(list), i, min(i+n, len(list)))) {
					return
				}
			}
		}
	}
}

// maxActs bounds a sequence; few get that far.
const maxActs = 80
