package matrix

import (
	"slices"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Isolation shows isolation: each reason locked alone against the probes of
// every reason. Off the diagonal nothing may be denied but what a named
// dependence explains.
type Isolation struct {
	Kernel, Arch string
	Reasons      []lockdown.Reason // probed here and locked alone: both axes
	Cells        [][]Share         // [locked][probed]
	Dependences  []Dependence      `json:",omitempty"` // those that were met
}

// A Dependence is a denial off the diagonal that is explained.
type Dependence struct {
	Probe          string
	Locked, Probed lockdown.Reason
	Why            string
}

// A Share counts the probes of a reason that were denied.
type Share struct {
	Denied          int  // probes that were denied
	Probes          int  // probes that gave an answer
	ExpectedOutcome int  // probes that owe a denial here
	Sound           bool // every verdict behind it is expected
	Named           bool `json:",omitempty"` // off the diagonal: what is denied is a named dependence
}

// Isolated reports whether exactly the probes that owe it were denied.
func (s Share) Isolated() bool { return s.Sound && s.Probes > 0 && s.Denied == s.ExpectedOutcome }

// Isolation makes the isolation square of a table; nil where fewer than two
// reasons were locked alone.
func (t Table) Isolation() *Isolation {
	sq := &Isolation{Kernel: t.Kernel, Arch: t.Arch}
	column := map[lockdown.Reason]int{}
	for i, c := range t.Columns {
		if c.Setting.Level == lockdown.None && len(c.Setting.Reasons) == 1 && c.Setting.Via != lockdown.CoCo {
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
			share, met := t.share(column[locked], locked, probed)
			line, sq.Dependences = append(line, share), append(sq.Dependences, met...)
		}
		sq.Cells = append(sq.Cells, line)
	}
	return sq
}

// gatedOn reports whether the row is a probe that the reason gates and that
// the machine has.
func (r Row) gatedOn(reason lockdown.Reason, column int) bool {
	return r.Reason == reason && r.Expect == scenarios.Checked.String() && r.Cells[column].Verdict != Unavailable
}

func (t Table) probed(reason lockdown.Reason) bool {
	for _, r := range t.Rows {
		if len(r.Cells) > 0 && r.gatedOn(reason, 0) {
			return true
		}
	}
	return false
}

func (t Table) share(column int, locked, probed lockdown.Reason) (s Share, met []Dependence) {
	s.Sound = true
	setting := t.Columns[column].Setting
	for _, r := range t.Rows {
		row, ok := scenarios.Find(r.Probe)
		if !ok || !r.gatedOn(probed, column) || row.CheckedAtBoot && setting.Via == lockdown.Runtime {
			continue // what is asked at boot was asked before the lock
		}
		c := r.Cells[column]
		s.Sound = s.Sound && c.Verdict.Expected()
		if c.Observed == nil {
			continue
		}
		s.Probes++
		denied := c.Observed.Outcome == scenarios.Denied
		if denied {
			s.Denied++
		}
		if row.Expected(setting) != scenarios.ExpectDenied {
			continue
		}
		s.ExpectedOutcome++
		if i := slices.IndexFunc(row.ShadowedBy, func(m scenarios.Shadow) bool { return m.Reason == locked }); i >= 0 && denied && locked != probed {
			s.Named = true
			met = append(met, Dependence{r.Probe, locked, probed, row.ShadowedBy[i].Why})
		}
	}
	return s, met
}
