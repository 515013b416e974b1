package matrix

import (
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Matrix is every verdict of a run, in the plan's order.
type Matrix struct {
	Header Header
	Tables []Table
}

// A Table is one kernel on one architecture: probes down, settings across.
type Table struct {
	Kernel    string
	Arch      string
	Interface lockdown.Interface
	Origin    Origin
	Columns   []Column
	Rows      []Row
}

// A Column is one guest.
type Column struct {
	Setting lockdown.Setting
	Shown   string // the level file as the guest read it, without its newline
	Host    Host
	End     End
	Command string
	Forked  bool `json:",omitempty"`
	Tries   int
	Timing  []Phase `json:",omitempty"`
}

// A Row is one probe in every setting.
type Row struct {
	Probe  string
	Call   string
	Reason lockdown.Reason
	Expect string
	Cells  []Cell // one a column
}

// A Cell is one verdict with what it was made of.
type Cell struct {
	Judgment
	Observed *scenarios.Observation `json:",omitempty"`
}

// Build judges every cell of the plan. Results for guests that are not in the
// plan, or twice, are an error: the file was put together by hand.
func Build(h Header, results []Result) (*Matrix, error) {
	byGuest := map[string]*Result{}
	planned := map[string]bool{}
	for _, g := range h.Plan {
		planned[g.ID()] = true
	}
	for i := range results {
		id := results[i].ID()
		if !planned[id] {
			return nil, fmt.Errorf("build matrix: result for %s is not in the plan", id)
		}
		if byGuest[id] != nil {
			return nil, fmt.Errorf("build matrix: two results for %s", id)
		}
		byGuest[id] = &results[i]
	}
	m := &Matrix{Header: h}
	for _, g := range h.Plan {
		t := m.table(g)
		r := byGuest[g.ID()]
		col := Column{Setting: g.Setting}
		if r != nil {
			t.Origin = r.Origin
			plain := r.Plain()
			col.Host, col.End, col.Command, col.Tries = r.Host, r.End, r.Command(), r.Tries
			col.Forked, col.Timing, col.Shown = plain.Forked, plain.Timing, shown(plain)
		}
		t.Columns = append(t.Columns, col)
		control := byGuest[Guest{Kernel: g.Kernel, Arch: g.Arch}.ID()]
		for i := range t.Rows {
			t.Rows[i].Cells = append(t.Rows[i].Cells, cell(t.Rows[i].Probe, g, r, control, h.Kernel(g.Kernel, g.Arch)))
		}
	}
	return m, nil
}

// ID names a guest in one word a field.
func (g Guest) ID() string { return g.Kernel + "/" + g.Arch + "/" + g.Setting.String() }

// table finds or adds the table of a guest's kernel and architecture.
func (m *Matrix) table(g Guest) *Table {
	for i := range m.Tables {
		if t := &m.Tables[i]; t.Kernel == g.Kernel && t.Arch == g.Arch {
			return t
		}
	}
	t := Table{Kernel: g.Kernel, Arch: g.Arch, Interface: g.Interface}
	for _, id := range m.Header.Probes {
		row := Row{Probe: id}
		if p, ok := scenarios.Find(id); ok {
			row.Call, row.Reason, row.Expect = p.Call, p.Reason, p.Expect.String()
		}
		t.Rows = append(t.Rows, row)
	}
	m.Tables = append(m.Tables, t)
	return &m.Tables[len(m.Tables)-1]
}

func cell(probe string, g Guest, r, control *Result, k Kernel) Cell {
	row, ok := scenarios.Find(probe)
	switch {
	case !ok:
		return Cell{Judgment: Judgment{Unproven, "this lab has no such probe"}}
	case !row.On(g.Arch):
		return Cell{Judgment: Judge(Evidence{Row: row, Guest: g})}
	case r == nil:
		return Cell{Judgment: Judgment{NotRun, ""}}
	case r.End.Failed():
		return Cell{Judgment: Judgment{Unproven, "the lab failed: " + r.End.String()}}
	}
	j, o := judgeIn(row, g, *r, control, k)
	return Cell{j, o}
}

// JudgeIn judges what a guest saw of a probe, against a guest of the same
// kernel in which nothing was locked; nil: there is none.
func JudgeIn(probe string, r Result, control *Result, k Kernel) Cell {
	row, ok := scenarios.Find(probe)
	if !ok {
		return Cell{Judgment: Judgment{Unproven, "this lab has no such probe"}}
	}
	j, o := judgeIn(row, r.Guest, r, control, k)
	return Cell{j, o}
}

func judgeIn(row scenarios.Row, g Guest, r Result, control *Result, k Kernel) (Judgment, *scenarios.Observation) {
	c := Evidence{Row: row, Guest: g, Config: k.Config, Calls: k.Calls, End: r.End}
	var m *MachineRun
	if c.Observed, m = r.observation(row.ID); m != nil {
		c.Boot = m.State(guestproto.WhenBoot)
	}
	if control != nil && !control.End.Failed() && control.Host.Same(r.Host) {
		c.Control, _ = control.observation(row.ID)
	}
	return Judge(c), c.Observed
}

// shown is the level file after locking, as text.
func shown(m MachineRun) string {
	if s := m.State(guestproto.WhenLocked); s != nil {
		return trimNewline(s.Level)
	}
	return ""
}

func trimNewline(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		return s[:n-1]
	}
	return s
}

// Count counts verdicts over every table.
func (m *Matrix) Count() map[Verdict]int {
	n := map[Verdict]int{}
	for _, t := range m.Tables {
		for _, r := range t.Rows {
			for _, c := range r.Cells {
				n[c.Verdict]++
			}
		}
	}
	return n
}

// AsExpected reports whether every cell of the plan has a verdict that a sound
// kernel earns.
func (m *Matrix) AsExpected() bool {
	for v, n := range m.Count() {
		if n > 0 && !v.Expected() {
			return false
		}
	}
	return true
}

// Errors lists the guests whose run failed in the lab, not in the kernel.
func (m *Matrix) Errors() []string {
	var errs []string
	for _, t := range m.Tables {
		for _, c := range t.Columns {
			if c.End.Failed() {
				errs = append(errs, fmt.Sprintf("%s/%s/%s: %s", t.Kernel, t.Arch, c.Setting, c.End))
			}
		}
	}
	return errs
}

// Hosts lists the hosts that ran the guests, each once, in the order of the
// tables.
func (m *Matrix) Hosts() (hosts []Host) {
	for _, t := range m.Tables {
		for _, c := range t.Columns {
			if c.Host != (Host{}) && !slices.ContainsFunc(hosts, c.Host.Same) {
				hosts = append(hosts, c.Host)
			}
		}
	}
	return hosts
}
