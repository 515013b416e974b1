package lockdown

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explain looks for a history of the model that yields the answers of the
// operations. It tries every order of concurrent operations, and carries every
// state that an order can leave on to the operations that follow. If there is
// no such history, the error is an *Unexplained.
//
// In the bitmap series a write is one atomic event: bits are set and read under
// a lock. Mainline has no lock: lock_kernel_down compares and stores later, and
// lockdown_read compares once for each level (v6.12). Two concurrent writers
// may therefore both succeed and leave the lower level; the upstream model
// allows this. Bitmap-v1 has no model of concurrency.
func Explain(k Interface, s Setting, ops []Op) error {
	if err := CheckSequence(ops); err != nil {
		return err
	}
	possible := []*Model{NewModel(k, s)}
	at := 0
	for _, part := range Parts(ops) {
		if part[0].Group != 0 && k == BitmapV1 {
			return fmt.Errorf("explain operation %d: bitmap-v1 has no model of concurrent operations", at+1)
		}
		if part[0].Group == 0 {
			for i, op := range part {
				next, wants := answered(possible, op)
				if len(next) == 0 {
					return &Unexplained{ops, at + i, at + i + 1, wants}
				}
				possible = next
			}
		} else {
			next := ordered(possible, part)
			if len(next) == 0 {
				return &Unexplained{ops, at, at + len(part), nil}
			}
			possible = next
		}
		at += len(part)
	}
	return nil
}

// Unexplained reports where the answers of a sequence leave the model.
type Unexplained struct {
	Ops      []Op
	From, To int  // operations without a history, half open: one, or a group
	Wants    []Op // of one operation: the answers that the model allows
}

// Error names the operations.
func (e *Unexplained) Error() string {
	if e.To-e.From > 1 {
		return fmt.Sprintf("operations %d to %d of %d: no order of them gives these answers", e.From+1, e.To, len(e.Ops))
	}
	return fmt.Sprintf("operation %d of %d: %s, want %s", e.From+1, len(e.Ops), e.Ops[e.From], e.wants(Op.Returned))
}

// wants prints the answers that the model has.
func (e *Unexplained) wants(ret func(Op) string) string {
	var texts []string
	for _, w := range e.Wants {
		texts = append(texts, ret(w))
	}
	if len(texts) == 0 {
		return "no answer that the model allows"
	}
	return strings.Join(texts, " or ")
}

// Transcript prints the sequence like strace, up to where it leaves the model,
// and what the model expects. A bar marks an operation on the descriptor of the
// one before it, and a brace marks a concurrent one. Open reasons are left out.
func (e *Unexplained) Transcript() string {
	var b strings.Builder
	for i, s := range e.Ops[:e.To] {
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
		fmt.Fprintf(&b, "     no order of operations %d to %d gives these answers\n", e.From+1, e.To)
	} else {
		fmt.Fprintf(&b, "     want %s\n", e.wants(func(s Op) string { return s.brief().Returned() }))
	}
	return b.String()
}

// brief returns the operation without the open reasons that it read.
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

// answered returns the states of the possible models after an operation with
// this answer, and the answers that the models expect.
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

// ordered returns the states of the possible models after a group with these
// answers.
func ordered(possible []*Model, group []Op) []*Model {
	o := orders{seen: map[string]bool{}}
	var ws []writer
	for _, ops := range Writers(group) {
		ws = append(ws, writer{ops: ops, fd: descriptor{file: ops[0].File}})
	}
	for _, m := range possible {
		o.search(m, ws)
	}
	return o.ends
}

// A writer is one thread of a group and its position in its operations.
type writer struct {
	ops    []Op // not done yet
	fd     descriptor
	looked int     // of mainline's first operation: the number of comparisons done
	marked [3]bool // the results of these comparisons
}

type orders struct {
	seen map[string]bool // states of models and writers
	ends []*Model
}

// search lets each writer in turn make the next move.
func (o *orders) search(m *Model, ws []writer) {
	where := []byte(m.key())
	left := 0
	for _, w := range ws {
		where = append(where, byte(len(w.ops)), byte(w.fd.pos>>8), byte(w.fd.pos), byte(w.fd.seq>>8), byte(w.fd.seq), byte(w.looked))
		for _, m := range w.marked {
			where = append(where, bit(m))
		}
		left += len(w.ops)
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
		if len(ws[i].ops) == 0 {
			continue
		}
		m, ws := m.clone(), slices.Clone(ws)
		if ws[i].move(m) {
			o.search(m, ws)
		}
	}
}

// move makes the next atomic step of the kernel for the writer. It returns
// false if the recorded answer contradicts it.
func (w *writer) move(m *Model) bool {
	s := w.ops[0]
	done := func(ok bool) bool {
		w.ops, w.looked, w.marked = w.ops[1:], 0, [3]bool{}
		return ok
	}
	if m.iface != Upstream || s.File != LevelFile {
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
	l, err := m.admit(s.Data) // compares; on the second call only l is used
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

// clone returns an independent copy of the model.
func (m *Model) clone() *Model {
	c := *m
	c.locked, c.marks = maps.Clone(m.locked), maps.Clone(m.marks)
	return &c
}

// key is equal for models that answer alike.
func (m *Model) key() string {
	b := append([]byte(m.fd.file), ' ', byte(m.fd.pos>>8), byte(m.fd.pos), byte(m.fd.seq>>8), byte(m.fd.seq))
	for l := range levelNames {
		b = append(b, bit(m.marks[Level(l)]))
	}
	for _, r := range m.has {
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
