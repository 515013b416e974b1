package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// A document is what the script of the page reads. A text is a number: its place in
// Strings, which has each text once; 0 is the empty text.
type document struct {
	Lab, Started text
	AsExpected   bool
	Measured     bool
	Known        int // cells that are known issues
	Verdicts     []verdict
	Notes        []text
	Machines     []text
	Tally        []text
	First        []first // what to look at first, the gravest first
	Rest         int     // unexpected cells that First does not name
	Probes       []probe
	Tables       []table
	Isolation    []isolation
	Sections     []section
	Strings      []string
}

type text int

type verdict struct {
	Name, Short string
	Sign, Kind  string // Kind is a class of the style
	Meaning     string
	Expected    bool
}

type first struct {
	Table, Column, Row int
	Text               text
}

type probe struct {
	ID, Call, Reason, Expect, Source, Class text
}

type table struct {
	Kernel, Arch text
	Made         []text
	Columns      []column
	Sites        []text    // by row, because the call site of a probe depends on the kernel
	Cells        [][][]int // [row][column]: see cell
	ByReason     []reasonRow
	Enforced     []text
	Leaking      []text
	Doubtful     []text
	Untested     [][2]text
	OutOfReach   [][2]text
	Strange      []text
	Of           int
}

type column struct {
	Setting, Shown, Note, Host, Command, End text
	Console, Splats                          []text
	Control                                  int // the column of the control; -1: none
}

type reasonRow struct {
	Reason text
	Cells  []int // verdicts
}

type isolation struct {
	Kernel, Arch text
	Reasons      []text
	Cells        [][]text
	Bad          [][]bool
	Dependences  []text
}

// A collector gives each text its number.
type collector struct {
	doc  document
	seen map[string]text
}

func (c *collector) text(s string) text {
	return c.whole(words.Clean(s))
}

// lines keeps the ends of lines between texts.
func (c *collector) lines(list []string) text {
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = words.Clean(s)
	}
	return c.whole(strings.Join(clean, "\n"))
}

func (c *collector) whole(s string) text {
	n, ok := c.seen[s]
	if !ok {
		n = text(len(c.doc.Strings))
		c.doc.Strings, c.seen[s] = append(c.doc.Strings, s), n
	}
	return n
}

func texts[S ~string](c *collector, list []S) []text {
	all := make([]text, 0, len(list))
	for _, s := range list {
		all = append(all, c.text(string(s)))
	}
	return all
}

// maxFirst bounds the list of what to look at first.
const maxFirst = 30

func collect(content Content) document {
	c := &collector{seen: map[string]text{}}
	c.whole("")
	c.doc = document{Strings: c.doc.Strings, AsExpected: true, First: []first{}, Tables: []table{}, Machines: []text{}, Sections: []section{}}
	if content.Matrix != nil {
		c.matrix(content.Matrix)
	}
	for _, s := range content.Sections {
		c.doc.Sections = append(c.doc.Sections, c.section(s))
		c.doc.AsExpected = c.doc.AsExpected && s.Good
	}
	return c.doc
}

func (c *collector) matrix(m *matrix.Matrix) {
	c.doc.Lab, c.doc.Started = c.text(m.Header.Lab), c.text(m.Header.Started)
	c.doc.AsExpected, c.doc.Measured = words.AsExpected(m), m.Measured()
	c.doc.Known = m.Count()[matrix.Known]
	for _, v := range matrix.Verdicts() {
		l := looks[v]
		c.doc.Verdicts = append(c.doc.Verdicts, verdict{string(v), words.Short[v], l.sign, l.kind, words.Meaning[v], v.Expected()})
	}
	c.doc.Notes, c.doc.Tally = texts(c, words.AllNotes(m)), texts(c, words.Tally(m.Tally()))
	for _, h := range m.Hosts() {
		c.doc.Machines = append(c.doc.Machines, c.text(fmt.Sprintf("%s: %s, %s, CPU %s: %s", h.Arch, h.QEMU, h.Accel, h.CPU, h.Why)))
	}
	if len(m.Tables) > 0 { // the tables of a matrix have the same rows
		for _, r := range m.Tables[0].Rows {
			c.doc.Probes = append(c.doc.Probes, c.probe(r))
		}
	}
	for _, t := range m.Tables {
		c.doc.Tables = append(c.doc.Tables, c.table(t))
		if iso := t.Isolation(); iso != nil {
			c.doc.Isolation = append(c.doc.Isolation, c.isolation(iso))
		}
	}
	c.first(m)
}

func (c *collector) probe(r matrix.TableRow) probe {
	p := probe{ID: c.text(r.Probe), Call: c.text(r.Call), Reason: c.text(string(r.Reason)), Expect: c.text(r.Expect)}
	if row, ok := scenarios.Find(r.Probe); ok {
		p.Source, p.Class = c.text(row.Source), c.text(fmt.Sprint(row.Class))
	}
	return p
}

func (c *collector) table(t matrix.Table) table {
	rs := t.Reasons()
	d := table{Kernel: c.text(t.Kernel), Arch: c.text(t.Arch), Made: texts(c, words.Booted(t)), Of: rs.Of, Columns: []column{}, Cells: [][][]int{}, ByReason: []reasonRow{},
		Enforced: texts(c, rs.Enforced), Leaking: texts(c, rs.Leaking), Doubtful: texts(c, rs.Doubtful), Strange: texts(c, words.StrangeLines(rs))}
	for _, n := range rs.Untested {
		d.Untested = append(d.Untested, [2]text{c.text(string(n.Reason)), c.text(n.Why)})
	}
	for _, n := range rs.OutOfReach {
		d.OutOfReach = append(d.OutOfReach, [2]text{c.text(string(n.Reason)), c.text(n.Why)})
	}
	for _, col := range t.Columns {
		x := column{Setting: c.text(col.Setting.String()), Shown: c.text(col.Shown), Note: c.text(words.GuestNote(col)), Command: c.text(col.Command), End: c.text(col.End.String()),
			Console: texts(c, col.End.Console), Splats: texts(c, col.Splats)}
		if col.Host != (matrix.Host{}) {
			x.Host = c.text(words.Machines([]matrix.Host{col.Host}))
		}
		x.Control = slices.IndexFunc(t.Columns, func(o matrix.Column) bool { return !o.Setting.Locked() })
		d.Columns = append(d.Columns, x)
	}
	for _, r := range t.Rows {
		site := ""
		if row, ok := scenarios.Find(r.Probe); ok {
			site = row.SiteIn(t.Origin.BaseVersion)
		}
		d.Sites = append(d.Sites, c.text(site))
		cells := [][]int{}
		for _, cell := range r.Cells {
			cells = append(cells, c.cell(cell))
		}
		d.Cells = append(d.Cells, cells)
	}
	for _, r := range t.ByReason() {
		row := reasonRow{Reason: c.text(string(r.Reason))}
		for _, v := range r.Cells {
			row.Cells = append(row.Cells, slices.Index(matrix.Verdicts(), v))
		}
		d.ByReason = append(d.ByReason, row)
	}
	return d
}

// cell is a list of numbers: verdict, why, rule, counted at the site, outcome, errno,
// call, effect, look, how it was denied, log, counters, variants, what it left
// behind, time in microseconds. Zeros at the end are left out.
func (c *collector) cell(cell matrix.Cell) []int {
	list := []int{slices.Index(matrix.Verdicts(), cell.Verdict), int(c.text(cell.Why)), int(c.text(cell.Rule)), 0}
	if cell.AtSite {
		list[3] = 1
	}
	if o := cell.Observed; o != nil {
		var checks []string
		for _, k := range o.Checks {
			checks = append(checks, fmt.Sprintf("%s: %s: %d of %s denied", k.Site, k.Label, k.Denials, words.Count(k.Checks, "check")))
		}
		for _, t := range []text{c.text(string(o.Outcome)), c.text(o.Errno), c.text(o.Call), c.text(string(o.Effect)), c.text(o.Look), c.text(o.Face),
			c.lines(o.Log), c.lines(checks), c.text(variants(o)), c.lines(o.Left)} {
			list = append(list, int(t))
		}
		list = append(list, int(o.Duration/1000))
	}
	for len(list) > 1 && list[len(list)-1] == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// variants sums up the variants of a probe, without the look.
func variants(o *scenarios.Observation) string {
	plain := *o
	plain.Look = ""
	return strings.Join(words.SeenOf(&plain), "; ")
}

func (c *collector) first(m *matrix.Matrix) {
	type place struct{ t, c, r, v int }
	var list []place
	for i, t := range m.Tables {
		for k, r := range t.Rows {
			for j, cell := range r.Cells {
				if !cell.Verdict.Expected() && cell.Verdict != matrix.Known {
					list = append(list, place{i, j, k, words.Gravity(cell.Judgment)})
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b place) int { return a.v - b.v })
	c.doc.Rest = max(0, len(list)-maxFirst)
	for _, p := range list[:min(len(list), maxFirst)] {
		t := m.Tables[p.t]
		cell := t.Rows[p.r].Cells[p.c]
		line := fmt.Sprintf("%s %s %s %s", t.Kernel, t.Arch, t.Columns[p.c].Setting, t.Rows[p.r].Probe)
		if cell.Why != "" {
			line += ": " + cell.Why
		}
		c.doc.First = append(c.doc.First, first{p.t, p.c, p.r, c.text(line)})
	}
}

func (c *collector) isolation(iso *matrix.Isolation) isolation {
	d := isolation{Kernel: c.text(iso.Kernel), Arch: c.text(iso.Arch), Reasons: texts[lockdown.Reason](c, iso.Reasons)}
	for i := range iso.Cells {
		var cells []text
		var bad []bool
		for _, s := range iso.Cells[i] {
			cells, bad = append(cells, c.text(words.Share(s))), append(bad, !s.Isolated())
		}
		d.Cells, d.Bad = append(d.Cells, cells), append(d.Bad, bad)
	}
	for _, dep := range iso.Dependences {
		d.Dependences = append(d.Dependences, c.text(fmt.Sprintf("%s, %s locked: %s", dep.Probe, dep.Locked, dep.Why)))
	}
	return d
}
