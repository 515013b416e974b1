package lockdown

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explain looks for a history of the model that gives the steps' answers. Of
// steps that were done at once it tries every order, and all that an order may
// leave behind is carried on to the steps that follow. Where there is no such
// history the error is an *Unexplained.
//
// One write is one event in the bitmap series, which sets bits under a lock
// and reads them under it. Mainline has no lock: lock_kernel_down looks and
// stores later, and lockdown_read looks once for each level, so that of two
// writers at once both may succeed and the lower level stay. That is in its
// model. Posted has no model of what happens at once.
func Explain(k Interface, s Setting, steps []Op) error {
	if err := CheckSequence(steps); err != nil {
		return err
	}
	possible := []*Model{NewModel(k, s)}
	at := 0
	for _, part := range Parts(steps) {
		if part[0].Group != 0 && k == BitmapV1 {
			return fmt.Errorf("explain step %d: bitmap-v1 has no model of what happens at once", at+1)
		}
		if part[0].Group == 0 {
			for i, step := range part {
				next, wants := answered(possible, step)
				if len(next) == 0 {
					return &Unexplained{steps, at + i, at + i + 1, wants}
				}
				possible = next
			}
		} else {
			next := ordered(possible, part)
			if len(next) == 0 {
				return &Unexplained{steps, at, at + len(part), nil}
			}
			possible = next
		}
		at += len(part)
	}
	return nil
}

// An Unexplained is where the answers of a script leave the model.
type Unexplained struct {
	Steps    []Op
	From, To int  // the steps that it has no history for: one, or a group
	Wants    []Op // of one step: the answers it has
}

// Error names the step.
func (e *Unexplained) Error() string {
	if e.To-e.From > 1 {
		return fmt.Sprintf("steps %d to %d of %d: no order of them gives these answers", e.From+1, e.To, len(e.Steps))
	}
	return fmt.Sprintf("step %d of %d: %s, want %s", e.From+1, len(e.Steps), e.Steps[e.From], e.wants(Op.Returned))
}

// wants prints the answers that the model has.
func (e *Unexplained) wants(ret func(Op) string) string {
	var texts []string
	for _, w := range e.Wants {
		texts = append(texts, ret(w))
	}
	if len(texts) == 0 {
		return "what no model has"
	}
	return strings.Join(texts, " or ")
}

// Transcript prints the script like strace, up to where it leaves the model,
// with what the model wants. Steps on one descriptor are tied by a line, those
// done at once begin with a brace, and of reasons only those that are not open
// are shown.
func (e *Unexplained) Transcript() string {
	var b strings.Builder
	for i, s := range e.Steps[:e.To] {
		tie := "  "
		switch {
		case s.Same:
			tie = "| "
		case s.Group != 0:
			tie = "{ "
		}
		fmt.Fprintf(&b, "%4d %s%s\n", i+1, tie, s.brief())
	}
	if e.To-e.From > 1 {
		fmt.Fprintf(&b, "     no order of steps %d to %d gives these answers\n", e.From+1, e.To)
	} else {
		fmt.Fprintf(&b, "     want %s\n", e.wants(func(s Op) string { return s.brief().Returned() }))
	}
	return b.String()
}

// brief is a step without the open reasons that it read.
func (s Op) brief() Op {
	if s.Call != "read" || s.File != ReasonsFile {
		return s
	}
	var b strings.Builder
	left := false
	for line := range strings.Lines(s.Data) {
		open := strings.HasSuffix(line, " open\n")
		if !open {
			b.WriteString(line)
		} else if !left {
			b.WriteString("...")
		}
		left = open
	}
	s.Data = b.String()
	return s
}

// answered is what the possible models come to by a step with this answer, and
// what they would have answered.
func answered(possible []*Model, s Op) (next []*Model, wants []Op) {
	seen := map[string]bool{}
	for _, m := range possible {
		m = m.clone()
		want := m.Answer(s)
		if !slices.Contains(wants, want) {
			wants = append(wants, want)
		}
		if want != s {
			continue
		}
		if key := m.key(); !seen[key] {
			seen[key] = true
			next = append(next, m)
		}
	}
	return next, wants
}

// ordered is what the possible models come to by a group with these answers.
func ordered(possible []*Model, group []Op) []*Model {
	o := orders{seen: map[string]bool{}}
	var ws []writer
	for _, steps := range Writers(group) {
		ws = append(ws, writer{steps: steps, fd: descriptor{file: steps[0].File}})
	}
	for _, m := range possible {
		o.search(m, ws)
	}
	return o.ends
}

// A writer is a thread of a group, somewhere in its steps.
type writer struct {
	steps  []Op // that are left
	fd     descriptor
	looked int     // of mainline's first step: how often it looked
	marked [3]bool // and what it saw
}

type orders struct {
	seen map[string]bool // models and writers
	ends []*Model
}

// search tries each writer as the next to do something.
func (o *orders) search(m *Model, ws []writer) {
	where := []byte(m.key())
	left := 0
	for _, w := range ws {
		where = append(where, byte(len(w.steps)), byte(w.fd.pos>>8), byte(w.fd.pos), byte(w.looked))
		for _, m := range w.marked {
			where = append(where, bit(m))
		}
		left += len(w.steps)
	}
	if o.seen[string(where)] {
		return
	}
	o.seen[string(where)] = true
	if left == 0 {
		m.fd = descriptor{}
		o.ends = append(o.ends, m)
		return
	}
	for i := range ws {
		if len(ws[i].steps) == 0 {
			continue
		}
		m, ws := m.clone(), slices.Clone(ws)
		if ws[i].act(m) {
			o.search(m, ws)
		}
	}
}

// act does the next thing that the kernel does in one go for the writer; false
// where the answer that was given is not that.
func (w *writer) act(m *Model) bool {
	s := w.steps[0]
	done := func(ok bool) bool {
		w.steps, w.looked, w.marked = w.steps[1:], 0, [3]bool{}
		return ok
	}
	if m.kind != Upstream || s.File != LevelFile {
		return done(m.answer(s, &w.fd) == s)
	}
	if s.Call == "read" {
		w.marked[w.looked] = m.marked(Level(w.looked))
		if w.looked++; w.looked < len(w.marked) {
			return true
		}
		want := s
		want.Err, want.Data = "", w.fd.read(m.showLevel(func(l Level) bool { return w.marked[l] }), s.At)
		return done(want == s)
	}
	l, err := m.admit(s.Data) // looks; the second time only l counts
	switch {
	case w.looked == 0 && err != "":
		return done(err == s.Err)
	case w.looked == 0:
		w.looked = 1
		return s.Err == ""
	}
	m.store(l)
	return done(true)
}

// clone is a model that goes its own way.
func (m *Model) clone() *Model {
	c := *m
	c.locked, c.marks = maps.Clone(m.locked), maps.Clone(m.marks)
	return &c
}

// key is equal for models that will answer alike.
func (m *Model) key() string {
	b := append([]byte(m.fd.file), ' ', byte(m.fd.pos>>8), byte(m.fd.pos))
	for l := range levelNames {
		b = append(b, bit(m.marks[Level(l)]))
	}
	for _, r := range reasons {
		b = append(b, bit(m.locked[r.Reason]))
	}
	return string(b)
}

func bit(set bool) byte {
	if set {
		return '1'
	}
	return '0'
}
