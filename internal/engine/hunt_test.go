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

// This file draws random sequences of operations on lockdown's files and
// compares a kernel's answers with the model; model_test.go has the kernels.

// A runner runs a sequence on a freshly booted kernel in the setting, and
// returns it with the kernel's answers.
type runner func(lockdown.Setting, []lockdown.Op) ([]lockdown.Op, error)

// A hunt searches for a sequence that a kernel answers differently from the
// model.
type hunt struct {
	iface    lockdown.Interface
	settings []lockdown.Setting // to start in, the simplest first
	run      runner

	sequences, ops, tries int                   // drawn sequences and their operations; runs to shrink one
	found                 *lockdown.Unexplained // the smallest difference found
	in                    lockdown.Setting      // the setting of found
	err                   error                 // the hunt could not go on
	tried                 map[string]bool       // shrunk candidates without a difference
	crossed               int                   // sequences whose concurrent operations ran in another order than written
}

// check runs one random sequence. After a difference it draws no more: rapid
// would shrink the drawn numbers in thousands of tries, each with a fork.
func (h *hunt) check(t *rapid.T) {
	if h.found == nil && h.err == nil {
		h.in = rapid.SampledFrom(h.settings).Draw(t, "setting")
		sequence := drawSequence(t, h.iface)
		h.sequences, h.ops = h.sequences+1, h.ops+len(sequence)
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

// differs runs a sequence and keeps it, up to the difference, if the kernel
// differs.
func (h *hunt) differs(s lockdown.Setting, sequence []lockdown.Op) bool {
	answers, err := h.run(s, sequence)
	if err == nil {
		err = lockdown.Explain(h.iface, s, answers)
	}
	var un *lockdown.Unexplained
	switch {
	case err == nil:
		inOrder := slices.Clone(answers)
		for i := range inOrder {
			inOrder[i].Group = 0
			inOrder[i].Same = inOrder[i].Same && answers[i].Group == 0
		}
		if lockdown.Explain(h.iface, s, inOrder) != nil {
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

// shrinkTime bounds the shrinking of a sequence. Without real guests, it takes
// no time.
const shrinkTime = time.Minute

// shrink makes the found sequence smaller as long as possible.
func (h *hunt) shrink() {
	h.tried = map[string]bool{}
	for end := time.Now().Add(shrinkTime); h.smaller(end); {
	}
}

// smaller finds a smaller sequence that still shows a difference.
func (h *hunt) smaller(end time.Time) bool {
	again := func(s lockdown.Setting, sequence []lockdown.Op) bool {
		key := fmt.Sprintf("%s %#v", s, sequence)
		if h.tried[key] {
			return false
		}
		h.tried[key] = true
		tries := 1
		if slices.ContainsFunc(sequence, func(s lockdown.Op) bool { return s.Group != 0 }) {
			tries = 3 // the order is random
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

// report describes the smallest difference found.
func (h *hunt) report() string {
	if h.found == nil {
		return "no difference"
	}
	return fmt.Sprintf("%s kernel, %s, %d tries:\n%s", h.iface, h.in, h.tries, h.found.Transcript())
}

// asked returns a sequence without its answers.
func asked(ops []lockdown.Op) []lockdown.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		if ops[i].Err = ""; ops[i].Call == "read" {
			ops[i].Data = ""
		}
	}
	return ops
}

// simpler yields slightly simpler sequences: first with fewer operations, then
// with simpler ones.
func simpler(sequence []lockdown.Op) iter.Seq[[]lockdown.Op] {
	return func(yield func([]lockdown.Op) bool) {
		give := func(ops []lockdown.Op) bool {
			for i := range ops { // the first operation on its descriptor may be gone
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

// giveFewer passes give the sequence without some parts, without some writers
// of a part, without some operations, and without concurrency. It returns false
// if give does.
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

// giveSimpler passes give the sequence with one operation changed: without its
// offset, with its own descriptor, joined with the one before it, or with less
// data.
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
		if i > 0 && s.Same && sequence[i-1].Call == "write" { // join two pieces
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

// pieces is the number of pieces into which without divides a list.
const pieces = 32

// without yields a list without one piece: first its last element only, at
// which the difference appeared, then without each half, each quarter, and so
// on.
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

// maxDraws bounds a sequence; few reach it.
const maxDraws = 80
