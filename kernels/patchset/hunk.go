package patchset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// A MismatchError is a hunk that is not in the file.
type MismatchError struct {
	File string
	Hunk int // from 1
	Line int // of the file, as the hunk has it

	Want, Have []string // the lines that the hunk expects, and those of the file that are most like them, without line ends
	At         int      // line of the file at which Have begins
}

func (e *MismatchError) Error() string {
	for i, line := range e.Want {
		if what := noBreak(line); what != "" {
			return fmt.Sprintf("hunk %d (line %d) of %s does not match: line %d has %s", e.Hunk, e.Line, e.File, e.Line+i, what)
		}
	}
	return fmt.Sprintf("hunk %d (line %d) of %s does not match", e.Hunk, e.Line, e.File)
}

// applyHunks applies the hunks of one file in order. fuzz is how many lines of context
// at either end of a hunk may differ. fitted names the hunks that needed that. The error
// is a *MismatchError.
func applyHunks(name string, data []byte, hunks []*gitdiff.TextFragment, fuzz int) (result []byte, fitted []string, err error) {
	lines := splitLines(data)
	shift := 0 // distance of the previous hunk from its stated line
	done := 0  // lines up to here are written by previous hunks
	for i, h := range hunks {
		at, cut := -1, hunkSides{}
		want := 0
		for n := 0; n <= fuzz && at < 0; n++ {
			if n > 0 && n > int(max(h.LeadingContext, h.TrailingContext)) {
				break // there is no more context to leave out
			}
			cut = sidesOf(h, n)
			want = cut.position + shift
			if at = cut.find(lines, want, done); n > 0 && at >= 0 && !cut.only(lines, at, done) {
				at = -1 // it fits in several places, or anywhere
			}
			if at >= 0 && n > 0 {
				fitted = append(fitted, fmt.Sprintf("hunk %d of %s applies at line %d with fuzz %d", i+1, name, at+1, n))
			}
		}
		if at < 0 {
			return nil, nil, mismatch(name, i+1, h, lines, shift)
		}
		lines = slices.Replace(lines, at, at+len(cut.old), cut.new...)
		shift += at - want
		done = at + len(cut.new)
	}
	return []byte(strings.Join(lines, "")), fitted, nil
}

// hunkSides are the lines of a hunk before and after, perhaps without some of its
// context.
type hunkSides struct {
	old, new   []string
	position   int  // index of the first line, as the hunk has it
	start, end bool // it can only be at the start, or at the end, of the file
}

// sidesOf gives the sides of a hunk without the first and last lines of its context, at
// most fuzz at each end.
func sidesOf(h *gitdiff.TextFragment, fuzz int) (s hunkSides) {
	head, tail := min(fuzz, int(h.LeadingContext)), min(fuzz, int(h.TrailingContext))
	for _, l := range h.Lines[head : len(h.Lines)-tail] {
		if l.Old() {
			s.old = append(s.old, l.Line)
		}
		if l.New() {
			s.new = append(s.new, l.Line)
		}
	}
	s.position = int(h.NewPosition) - 1 + head
	if h.NewLines == 0 {
		s.position++ // a range without lines names the line before it
	}
	// As in git apply, a hunk that starts at line 1 only fits the beginning, and one
	// without trailing context only the end.
	s.start = h.OldPosition <= 1 && head == 0
	s.end = h.TrailingContext == 0
	return s
}

// find finds the old side in lines, at or after from, as near to want as can be; -1 if
// it is not there.
func (s hunkSides) find(lines []string, want, from int) int {
	last := len(lines) - len(s.old)
	fits := func(at int) bool {
		if at < from || at > last || s.start && at != 0 || s.end && at != last {
			return false
		}
		return slices.Equal(lines[at:at+len(s.old)], s.old)
	}
	for d := range max(want, last-want, 0) + 1 {
		if fits(want + d) {
			return want + d
		}
		if fits(want - d) {
			return want - d
		}
	}
	return -1
}

// only reports whether the old side is nowhere else in lines, at or after from. A side
// without lines is everywhere.
func (s hunkSides) only(lines []string, at, from int) bool {
	if len(s.old) == 0 {
		return false
	}
	for i := from; i+len(s.old) <= len(lines); i++ {
		if i != at && slices.Equal(lines[i:i+len(s.old)], s.old) {
			return false
		}
	}
	return true
}

// mismatch describes a hunk that is nowhere in lines: the place that is most like it.
func mismatch(name string, number int, h *gitdiff.TextFragment, lines []string, shift int) *MismatchError {
	e := &MismatchError{File: name, Hunk: number, Line: int(h.OldPosition)}
	s := sidesOf(h, 0)
	best, most := min(max(s.position+shift, 0), len(lines)), 0
	for at := range lines {
		equal := 0
		for i, l := range s.old {
			if at+i < len(lines) && lines[at+i] == l && strings.TrimSpace(l) != "" {
				equal++
			}
		}
		if equal > most {
			best, most = at, equal
		}
	}
	trim := func(list []string) (out []string) {
		for _, l := range list {
			out = append(out, strings.TrimRight(l, "\r\n"))
		}
		return out
	}
	e.Want, e.At = trim(s.old), best+1
	e.Have = trim(lines[best:min(best+len(s.old), len(lines))])
	return e
}
