package matrix

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Matrix has every verdict of a run, in the plan's order.
type Matrix struct {
	Header Header
	Tables []Table
	Issues []Issue `json:",omitempty"` // the known issues that the matrix was compared with; see package known

	Problems []string `json:",omitempty"` // what is wrong with the results: what was left out, and what proves nothing
}

// An Issue is a known issue, and what became of it.
type Issue struct {
	Place   string  // file:line
	Cell    string  // kernel, architecture, setting and probe, as far as the list of known issues has them
	Verdict Verdict // the only one that it covers
	Reason  string
	Link    string
	Until   string // the last day on which it counts, YYYY-MM-DD
	Cells   int    // that have the verdict
	Of      int    // cells that it names and that were measured
	State   IssueState
}

// An IssueState is what became of a known issue.
type IssueState string

const (
	IssueHappens   IssueState = "happens"         // a cell has its verdict
	IssueGone      IssueState = "does not happen" // its cells were measured, and none has its verdict
	IssueExpired   IssueState = "expired"         // it covers nothing any more
	IssueUntouched IssueState = "not measured"
)

// StaleIssues lists the known issues that do not happen any more: who relies on the
// list must take them out.
func (m *Matrix) StaleIssues() []Issue {
	return slices.DeleteFunc(slices.Clone(m.Issues), func(i Issue) bool { return i.State != IssueGone })
}

// A Table is one kernel on one architecture: probes down, settings across.
type Table struct {
	Kernel    string
	Arch      string
	Append    string `json:",omitempty"` // kernel arguments after those of the lab
	Interface lockdown.Interface
	Origin    Origin
	Has       lockdown.KernelReasons `json:"-"` // the kernel's reasons, which the header has, too; nil: not known
	Columns   []Column
	Rows      []TableRow
	Jobs      []Column `json:",omitempty"` // guests that did the steps of findings; they have no cells
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
	Second  string   `json:",omitempty"` // how a second run of the guest ended, which it had because a cell was not as expected; empty: it had none
	Timing  []Phase  `json:",omitempty"`
	Splats  []string `json:",omitempty"` // what its kernel reported of its own bugs

	Job       string                 `json:",omitempty"` // the guest's, if it did the steps of a finding
	Observed  *scenarios.Observation `json:",omitempty"` // the steps with their answers; nil: it did not report them
	NotLocked string                 `json:",omitempty"` // how lockdown's files differed from the setting before these steps; empty: they did not, or the setting locks nothing
}

// A TableRow is one probe in every setting.
type TableRow struct {
	Probe  string
	Call   string
	Reason lockdown.Reason
	Expect string
	Cells  []Cell // one a column
}

// A Cell is one verdict with its observation.
type Cell struct {
	Judgment
	AtSite   bool                   `json:",omitempty"` // the kernel counted a denial at the call site that the probe names
	Issue    int                    `json:",omitempty"` // of a known issue: its place in Matrix.Issues, counted from 1
	Observed *scenarios.Observation `json:",omitempty"`
}

// again is the cell of a guest that ran twice, with what was observed in the run that
// decided the verdict.
func (c Cell) again(second Cell) Cell {
	joined := c.Judgment.again(second.Judgment)
	if joined.Seen() == second.Seen() && joined.Seen() != c.Seen() {
		c = second
	}
	c.Judgment = joined
	return c
}

// Build judges every cell of the plan. A result that does not fit the plan or the header
// is left out, and is in Problems. So are two of a guest that differ, of which none is
// marked as a second run. It is an error if no result is of the plan.
func Build(h Header, results []Result) (*Matrix, error) {
	return build(h, results, func(_, control *Result) *Result { return control })
}

// build is Build. controlOf chooses the control of a result. It gets that result and the
// one with nothing locked; either may be nil.
func build(h Header, results []Result, controlOf func(r, control *Result) *Result) (*Matrix, error) {
	problems := h.planOnce()
	byGuest, again, err := h.sort(results, &problems)
	if err != nil {
		return nil, err
	}
	m := &Matrix{Header: h, Problems: problems}
	for _, g := range h.Plan {
		t := m.table(g)
		r := byGuest[g.ID()]
		col := Column{Setting: g.Setting, Job: g.Job}
		if r != nil {
			if len(g.Steps) > 0 {
				o, on := r.observation(scenarios.StepsOn(g.Machine))
				if col.Observed = o; on != nil && g.Setting.Locked() {
					col.NotLocked = on.neverLocked(g, h.Kernel(g.Kernel, g.Arch).Reasons.NewModel(g.Interface, g.Setting))
				}
			}
			t.Origin = r.Origin
			col.Splats = r.splats()
			plain := r.Plain()
			col.Host, col.End, col.Command, col.Tries = r.Host, r.End, r.Command(), r.Tries
			col.Forked, col.Timing, col.Shown = plain.Forked, plain.Timing, shown(plain)
		}
		second := again[g.ID()]
		if second != nil {
			col.Second = second.End.String()
			col.Splats = append(col.Splats, second.splats()...)
		}
		if len(g.Steps) > 0 {
			t.Jobs = append(t.Jobs, col)
			continue
		}
		t.Columns = append(t.Columns, col)
		of := Guest{Kernel: g.Kernel, Arch: g.Arch, Append: g.Append, Shuffle: g.Shuffle}.ID()
		control := byGuest[of]
		runs := g.Probes(h.Probes)
		for i := range t.Rows {
			row := &t.Rows[i]
			cell := Cell{Judgment: Judgment{Verdict: NotPlanned}}
			if slices.Contains(runs, row.Probe) {
				kernel := h.Kernel(g.Kernel, g.Arch)
				cell = JudgeProbe(row.Probe, g, r, controlOf(r, control), kernel)
				if r != nil && second != nil && second.End.Well() {
					cell = cell.again(JudgeProbe(row.Probe, g, second, controlOf(second, cmp.Or(again[of], control)), kernel))
				}
			}
			row.Cells = append(row.Cells, cell)
		}
	}
	return m, nil
}

// ID is the guest's name: its fields, one word each.
func (g Guest) ID() string {
	id := g.Kernel + "/" + g.Arch + "/" + g.Setting.String()
	if g.Append != "" {
		id += fmt.Sprintf("/append %q", g.Append)
	}
	if g.Job != "" {
		id += "/job " + g.Job
	}
	if g.Shuffle != 0 {
		id += fmt.Sprintf("/shuffle-%d", g.Shuffle)
	}
	return id
}

// table finds or adds the table of a guest's kernel and architecture.
func (m *Matrix) table(g Guest) *Table {
	for i := range m.Tables {
		if t := &m.Tables[i]; t.Kernel == g.Kernel && t.Arch == g.Arch {
			return t
		}
	}
	t := Table{Kernel: g.Kernel, Arch: g.Arch, Append: g.Append, Interface: g.Interface, Has: m.Header.Kernel(g.Kernel, g.Arch).Reasons}
	for _, id := range m.Header.Probes {
		row := TableRow{Probe: id}
		if p, ok := scenarios.Find(id); ok {
			row.Call, row.Reason, row.Expect = p.Call, p.Reason, p.Expect.String()
		}
		t.Rows = append(t.Rows, row)
	}
	m.Tables = append(m.Tables, t)
	return &m.Tables[len(m.Tables)-1]
}

// shown is the level file after locking, as text.
func shown(m MachineRun) string {
	if s := m.State(guestproto.WhenLocked); s != nil {
		return strings.TrimSuffix(s.Level, "\n")
	}
	return ""
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

// Measured reports whether at least one cell was measured.
func (m *Matrix) Measured() bool {
	for v, n := range m.Count() {
		if n > 0 && v.Measured() {
			return true
		}
	}
	return false
}

// LostAfterProbes reports whether a guest was lost although none of its cells shows it:
// all its probes had answered. i is the guest's column.
func (t Table) LostAfterProbes(i int) bool {
	return t.Columns[i].End.Lost() && !slices.ContainsFunc(t.Rows, func(r TableRow) bool {
		c := r.Cells[i]
		return c.Verdict == Lost || c.Verdict == Known && c.Of == Lost
	})
}

// AsExpected reports whether every cell of the plan has a verdict that a sound
// kernel gets, or is a known issue, or has one of the accepted verdicts, no guest was
// lost after its last probe, no known issue is gone, no kernel reported a bug of its own,
// and at least one cell was measured: a run in which every probe is unavailable proves
// nothing.
func (m *Matrix) AsExpected(accepted ...Verdict) bool {
	for v, n := range m.Count() {
		if n > 0 && !v.Expected() && v != Known && !slices.Contains(accepted, v) {
			return false
		}
	}
	for _, t := range m.Tables {
		for i := range t.Columns {
			if t.LostAfterProbes(i) {
				return false
			}
		}
	}
	return m.Sound()
}

// Sound reports whether nothing is wrong with a matrix as a whole, whatever its cells
// are; see AsExpected.
func (m *Matrix) Sound() bool {
	return m.Measured() && len(m.Splats()) == 0 && len(m.StaleIssues()) == 0 && len(m.Problems) == 0
}

// A Tally counts what a matrix rests on.
type Tally struct {
	Probes   map[string]int // by expectation: checked, unchecked, ABI, gap
	Variants int            // variants of the probes' acts that ran with nothing locked
	Verdicts int            // cells
	Denials  int            // cells whose act was denied as expected: enforced, shadowed, gap closed
	AtSite   int            // of these, cells whose denial was counted at the call site that the probe names
}

// Tally counts what the matrix rests on. A probe is counted once, whatever the
// number of kernels.
func (m *Matrix) Tally() Tally {
	n := Tally{Probes: map[string]int{}}
	counted := map[string]bool{}
	for _, t := range m.Tables {
		for _, r := range t.Rows {
			if !counted[r.Probe] {
				counted[r.Probe] = true
				n.Probes[r.Expect]++
			}
			n.Variants += r.Variants()
			for _, c := range r.Cells {
				if c.Verdict == NotPlanned {
					continue
				}
				n.Verdicts++
				if c.Verdict == Enforced || c.Verdict == Shadowed || c.Verdict == GapClosed {
					n.Denials++
					if c.AtSite {
						n.AtSite++
					}
				}
			}
		}
	}
	return n
}

// Variants counts the variants of the probe's act that ran in the guest that ran
// most of them: the control.
func (r TableRow) Variants() (n int) {
	for _, c := range r.Cells {
		if c.Observed != nil {
			n = max(n, len(c.Observed.Variants))
		}
	}
	return n
}

// ClosedGaps lists the known gaps that a kernel closes, each once: for that
// kernel the table of gaps is outdated.
func (m *Matrix) ClosedGaps() (list []string) {
	for _, t := range m.Tables {
		for _, r := range t.Rows {
			if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Verdict == GapClosed }) {
				list = append(list, fmt.Sprintf("%s %s: %s", t.Kernel, t.Arch, r.Probe))
			}
		}
	}
	return list
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
