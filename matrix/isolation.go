package matrix

import (
	"slices"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// An Isolation is the isolation matrix of a table: each reason locked alone
// against the probes of every reason. Off the diagonal only named dependences
// may be denied.
type Isolation struct {
	Kernel, Arch string
	Reasons      []lockdown.Reason // probed here and locked alone: both axes
	Cells        [][]Share         // [locked][probed]
	Dependences  []Dependence      `json:",omitempty"` // those that occurred
}

// A Dependence is an explained denial off the diagonal.
type Dependence struct {
	Probe          string
	Locked, Probed lockdown.Reason
	Why            string
}

// A Share counts the probes of a reason that were denied.
type Share struct {
	Denied         int  // probes that were denied
	Probes         int  // probes that gave an answer
	ExpectedDenied int  // probes that are expected to be denied here
	Sound          bool // every verdict behind it is expected
	Named          bool `json:",omitempty"` // off the diagonal: each denial is a named dependence
}

// Isolated reports whether exactly the probes that are expected to be denied
// were denied.
func (s Share) Isolated() bool { return s.Sound && s.Probes > 0 && s.Denied == s.ExpectedDenied }

// Isolation makes the isolation matrix of a table; nil if fewer than two
// reasons were locked alone.
func (t Table) Isolation() *Isolation {
	iso := &Isolation{Kernel: t.Kernel, Arch: t.Arch}
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
			iso.Reasons = append(iso.Reasons, info.Reason)
		}
	}
	if len(iso.Reasons) < 2 {
		return nil
	}
	for _, locked := range iso.Reasons {
		var line []Share
		for _, probed := range iso.Reasons {
			share, seen := t.share(column[locked], locked, probed)
			line, iso.Dependences = append(line, share), append(iso.Dependences, seen...)
		}
		iso.Cells = append(iso.Cells, line)
	}
	return iso
}

// checkedFor reports whether the row is a probe that checks the reason and
// whose target is present.
func (r TableRow) checkedFor(reason lockdown.Reason, column int) bool {
	return r.Reason == reason && r.Expect == scenarios.Checked.String() && r.Cells[column].Verdict != Unavailable
}

func (t Table) probed(reason lockdown.Reason) bool {
	for _, r := range t.Rows {
		if len(r.Cells) > 0 && r.checkedFor(reason, 0) {
			return true
		}
	}
	return false
}

func (t Table) share(column int, locked, probed lockdown.Reason) (s Share, seen []Dependence) {
	s.Sound = true
	setting := t.Columns[column].Setting
	for _, r := range t.Rows {
		row, ok := scenarios.Find(r.Probe)
		if !ok || !r.checkedFor(probed, column) || row.CheckedAtBoot && setting.Via == lockdown.Runtime {
			continue // it was checked at boot, before the lock
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
		s.ExpectedDenied++
		if i := slices.IndexFunc(row.ShadowedBy, func(m scenarios.Shadow) bool { return m.Reason == locked }); i >= 0 && denied && locked != probed {
			s.Named = true
			seen = append(seen, Dependence{r.Probe, locked, probed, row.ShadowedBy[i].Why})
		}
	}
	return s, seen
}
