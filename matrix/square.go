package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Square shows isolation: each reason locked alone against the probes of
// every reason. Off the diagonal nothing may be denied.
type Square struct {
	Kernel, Arch string
	Reasons      []lockdown.Reason // probed here and locked alone: both axes
	Cells        [][]Share         // [locked][probed]
}

// A Share counts the probes of a reason that were denied.
type Share struct {
	Denied int // probes that were denied
	Probes int // probes that gave an answer
	Owed   bool
	Sound  bool // every verdict behind it is expected
}

// Isolated reports whether exactly the probes of the locked reason were denied.
func (s Share) Isolated() bool {
	want := 0
	if s.Owed {
		want = s.Probes
	}
	return s.Sound && s.Probes > 0 && s.Denied == want
}

// Square makes the isolation square of a table; nil where fewer than two
// reasons were locked alone.
func (t Table) Square() *Square {
	sq := &Square{Kernel: t.Kernel, Arch: t.Arch}
	column := map[lockdown.Reason]int{}
	for i, c := range t.Columns {
		if c.Setting.Level == lockdown.None && len(c.Setting.Reasons) == 1 && c.Setting.How != lockdown.CoCo {
			if _, dup := column[c.Setting.Reasons[0]]; !dup {
				column[c.Setting.Reasons[0]] = i
			}
		}
	}
	for _, info := range lockdown.Reasons() {
		if _, locked := column[info.Reason]; locked && t.probed(info.Reason) {
			sq.Reasons = append(sq.Reasons, info.Reason)
		}
	}
	if len(sq.Reasons) < 2 {
		return nil
	}
	for _, locked := range sq.Reasons {
		var line []Share
		for _, probed := range sq.Reasons {
			line = append(line, t.share(column[locked], probed, locked == probed))
		}
		sq.Cells = append(sq.Cells, line)
	}
	return sq
}

// gatedOn reports whether the row is a probe that the reason gates and that
// the machine has.
func (r Row) gatedOn(reason lockdown.Reason, column int) bool {
	return r.Reason == reason && r.Expect == scenarios.Gated.String() && r.Cells[column].Verdict != Unavailable
}

func (t Table) probed(reason lockdown.Reason) bool {
	for _, r := range t.Rows {
		if len(r.Cells) > 0 && r.gatedOn(reason, 0) {
			return true
		}
	}
	return false
}

func (t Table) share(column int, probed lockdown.Reason, owed bool) Share {
	s := Share{Owed: owed, Sound: true}
	for _, r := range t.Rows {
		if !r.gatedOn(probed, column) {
			continue
		}
		c := r.Cells[column]
		s.Sound = s.Sound && c.Verdict.Expected()
		if c.Observed != nil {
			s.Probes++
			if c.Observed.Outcome == scenarios.Denied {
				s.Denied++
			}
		}
	}
	return s
}
