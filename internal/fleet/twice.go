package fleet

import (
	"fmt"
	"maps"
	"slices"
)

// guests counts the guests that have the same problem. They share a line.
type guests struct {
	first string
	n     int
}

func (g *guests) add(id string) {
	if g.n == 0 {
		g.first = id
	}
	g.n++
}

func (g *guests) String() string {
	if g.n == 1 {
		return "guest " + g.first
	}
	return fmt.Sprintf("%d guests, such as %s,", g.n, g.first)
}

// A pair names where two results of a guest are and which of them is merged.
type pair struct{ what, where, then string }

// twice decides which of two results of a guest is kept. Two that ended in the same way
// and saw the same are alike. Of two that differ none is merged: one would hide what the
// other saw.
func (m *merger) twice(id, what string, old, f *found) *found {
	kept := f
	if old.better(f) {
		kept = old
	}
	p := pair{what: what, where: fmt.Sprintf("in %s and in %s", old.in.dir, f.in.dir)}
	if old.in == f.in {
		p.where = fmt.Sprintf("in %s, lines %d and %d", f.in.dir, old.line, f.line)
	}
	switch {
	case old.end.Failed() || f.end.Failed():
		p.then = fmt.Sprintf("in one of two the lab failed; that of %s is kept", kept.in.dir)
	case old.seen == f.seen:
		p.then = "they have the same outcomes; one is kept"
	default:
		kept.differ = true
		p.then = "they have different outcomes, and both are left out; give only the one that is right"
	}
	kept.differ = kept.differ || old.differ
	if m.pairs[p] == nil {
		m.pairs[p] = &guests{}
		m.order = append(m.order, p)
	}
	m.pairs[p].add(id)
	return kept
}

// leaveOut tells which guests have several results, and takes out those that differ.
func (m *merger) leaveOut() {
	for _, p := range m.order {
		have := "have"
		if m.pairs[p].n == 1 {
			have = "has"
		}
		m.problem("%s %s two %s, %s: %s", m.pairs[p], have, p.what, p.where, p.then)
	}
	differ := func(f *found) bool { return f.differ }
	maps.DeleteFunc(m.found, func(_ string, f *found) bool { return differ(f) })
	maps.DeleteFunc(m.again, func(_ string, list []*found) bool { return slices.ContainsFunc(list, differ) })
}

// takeAgain keeps the second run of a guest in each directory, because it goes with the
// first run of the same directory.
func (m *merger) takeAgain(id string, f *found) {
	for i, old := range m.again[id] {
		kept := m.twice(id, "second runs", old, f)
		old.differ = old.differ || kept.differ
		if old.in == f.in {
			m.again[id][i] = kept
			return
		}
	}
	m.again[id] = append(m.again[id], f)
}

// auditAgain finds second runs that are not merged, although the first run is.
func (m *merger) auditAgain() {
	for _, g := range m.file.Guests {
		if first := m.found[g.ID]; first != nil && len(m.again[g.ID]) > 0 && len(m.runs(g.ID)) == 1 {
			m.problem("%s: the second run of guest %s is left out, because its first run is taken from %s", m.again[g.ID][0].in.dir, g.ID, first.in.dir)
		}
	}
}
