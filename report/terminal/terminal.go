package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// Write writes a matrix. The same matrix and screen give the same bytes.
func Write(w io.Writer, m *matrix.Matrix, to Screen) error {
	s := &screen{Screen: to}
	s.Width = max(s.Width, MinWidth)
	if hosts := m.Hosts(); len(hosts) > 0 {
		for _, line := range strings.Split(words.Machines(hosts), "\n") {
			s.para(0, 2, span{}, line)
		}
	}
	for _, t := range m.Tables {
		s.table(t)
	}
	s.line()
	for _, n := range words.Notes(m) {
		s.para(0, 2, span{}, n)
	}
	s.counts(m)
	s.para(0, 2, span{}, strings.Join(words.Tally(m.Tally()), ", "))
	s.first(m)
	_, err := io.WriteString(w, s.b.String())
	return err
}

func (s *screen) table(t matrix.Table) {
	s.line()
	name := abbreviated(words.Clean(t.Kernel+" "+t.Arch), s.Width/2)
	s.para(0, 2, span{head, name + ": "}, strings.Join(words.Booted(t), ", "))
	var settings []string
	wide := 0
	for _, c := range t.Columns {
		settings = append(settings, c.Setting.String())
		wide = max(wide, len(c.Setting.String()))
	}
	for i, c := range t.Columns {
		label := fmt.Sprintf("%2d  %s  ", i+1, pad(abbreviated(settings[i], s.Width/2), min(wide, s.Width/2), false))
		s.para(2, 6, span{text: label}, words.GuestNote(c))
	}
	s.byReason(t, settings)
	rows, gaps := words.SplitGaps(t.Rows)
	s.rows("probe", rows, settings)
	if len(gaps) > 0 {
		s.line()
		s.para(2, 4, span{}, "known gaps: the same power, in a way that lockdown does not check")
		s.rows("probe", gaps, settings)
	}
	if list := words.Absences(t); len(list) > 0 {
		s.line()
		s.line(span{text: "  unavailable"})
		for _, a := range list {
			s.para(2, 4, span{}, a.Why+": "+words.ProbeList(a.Probes))
		}
	}
	rs := t.Reasons()
	s.line()
	for _, line := range append(words.ReasonLines(rs), words.StrangeLines(rs)...) {
		s.para(2, 4, span{}, line)
	}
	if iso := t.Isolation(); iso != nil {
		s.isolation(iso)
	}
}

func verdict(v matrix.Verdict) span { return span{styles[v], words.Short[v]} }

func (s *screen) rows(what string, rows []matrix.TableRow, settings []string) {
	g := grid{what: what, names: settings, empty: words.Short[matrix.NotPlanned], left: "probe"}
	for _, r := range rows {
		row := gridRow{name: r.Probe}
		for _, c := range r.Cells {
			row.cells = append(row.cells, verdict(c.Verdict))
		}
		g.rows = append(g.rows, row)
	}
	s.grid(g)
}

// manyReasons is how many reasons a table must have for a summary of it by reason.
const manyReasons = 8

func (s *screen) byReason(t matrix.Table, settings []string) {
	rows := t.ByReason()
	if len(rows) < manyReasons {
		return
	}
	g := grid{what: "reason, all its probes", names: settings, empty: words.Short[matrix.NotPlanned], left: "reason"}
	for _, r := range rows {
		row := gridRow{name: string(r.Reason)}
		for _, v := range r.Cells {
			row.cells = append(row.cells, verdict(v))
		}
		g.rows = append(g.rows, row)
	}
	s.grid(g)
}

func (s *screen) isolation(iso *matrix.Isolation) {
	s.line()
	s.para(2, 4, span{}, fmt.Sprintf("isolation matrix, %s %s: locked alone (down) against the probes of each reason (across), denied/probed", iso.Kernel, iso.Arch))
	s.para(2, 4, span{}, words.IsolationCaption)
	g := grid{what: "locked alone", empty: ".", left: "reason"}
	for i, locked := range iso.Reasons {
		row := gridRow{name: fmt.Sprintf("%2d  %s", i+1, locked)}
		for j := range iso.Reasons {
			share := iso.Cells[i][j]
			c := span{good, words.Share(share)}
			switch {
			case !share.Isolated():
				c.style = bad
			case share.Denied == 0:
				c.style = faint
			}
			row.cells = append(row.cells, c)
		}
		g.rows = append(g.rows, row)
	}
	s.grid(g)
	for _, d := range iso.Dependences {
		s.para(2, 4, span{}, fmt.Sprintf("* %s, %s locked: %s", d.Probe, d.Locked, d.Why))
	}
}

// counts is the legend, too: each verdict has its colour.
func (s *screen) counts(m *matrix.Matrix) {
	n := m.Count()
	var line []span
	used := 0
	for _, v := range matrix.Verdicts() {
		if n[v] == 0 {
			continue
		}
		p := span{styles[v], fmt.Sprintf("%d %s (%s)", n[v], v, words.Short[v])}
		switch {
		case used == 0:
		case used+2+width(p.text) >= s.Width: // a comma may follow
			s.line(append(line, span{text: ","})...)
			line, used = nil, 0
		default:
			line, used = append(line, span{text: ", "}), used+2
		}
		line, used = append(line, p), used+width(p.text)
	}
	if used == 0 {
		line = []span{{text: "no cells"}}
	}
	s.line(line...)
}
