package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// Reasons sums up a table by reason. Each reason of the kernel is in at most one
// of the lists.
type Reasons struct {
	Enforced   []lockdown.Reason `json:",omitempty"` // a probe was denied as expected, with control and evidence, and no cell is unexpected
	Leaking    []lockdown.Reason `json:",omitempty"` // a cell of the reason is a LEAK
	Doubtful   []lockdown.Reason `json:",omitempty"` // a cell of the reason is unexpected in another way
	Untested   []NotTested       `json:",omitempty"` // a checked probe and a setting of the plan have the reason, and no cell shows that it is enforced
	OutOfReach []NotTested       `json:",omitempty"` // no guest of the architecture can reach them
	NoProbe    []NotTested       `json:",omitempty"` // the lab does not know them
	Differs    []string          `json:",omitempty"` // what the lab's table claims of the kernel's reasons and its source contradicts, a sentence each
	Of         int               // reasons that the kernel has
}

// NotTested is a reason that was not tested, and why.
type NotTested struct {
	Reason lockdown.Reason
	Why    string
}

// MarshalText makes it one line of a report.
func (n NotTested) MarshalText() ([]byte, error) {
	return []byte(string(n.Reason) + ": " + n.Why), nil
}

// Reasons sums up a table by reason, in the kernel's order.
func (t Table) Reasons() (rs Reasons) {
	for _, info := range t.Has.Unknown() {
		rs.NoProbe = append(rs.NoProbe, NotTested{info.Reason, fmt.Sprintf("the lab does not know it; level %s, text %q", info.Level, info.Label)})
	}
	rs.Differs = t.Has.Contradictions()
	for _, info := range t.Has.List() {
		rs.Of++
		seen := map[Verdict]bool{}
		unexpected := false
		for _, r := range t.Rows {
			for _, c := range r.Cells {
				if r.Reason == info.Reason {
					seen[c.Seen()] = true
					unexpected = unexpected || !c.Verdict.Expected()
				}
			}
		}
		why, selected := t.untested(info.Reason)
		outOfReach := scenarios.OutOfReach(info.Reason, t.Arch)
		switch {
		case seen[Leak]:
			rs.Leaking = append(rs.Leaking, info.Reason)
		case unexpected:
			rs.Doubtful = append(rs.Doubtful, info.Reason)
		case seen[Enforced]:
			rs.Enforced = append(rs.Enforced, info.Reason)
		case outOfReach != "":
			rs.OutOfReach = append(rs.OutOfReach, NotTested{info.Reason, outOfReach})
		case selected:
			rs.Untested = append(rs.Untested, NotTested{info.Reason, why})
		}
	}
	return rs
}

// untested explains why no cell of a reason shows that it is enforced. selected
// reports whether the plan wanted that: it has a checked probe of the reason that
// guests of the architecture can run, and a setting that locks the reason, or no
// setting that locks anything.
func (t Table) untested(reason lockdown.Reason) (why string, selected bool) {
	locking, any := []int{}, false
	for i, c := range t.Columns {
		any = any || c.Setting.Locked()
		if c.Setting.Locks(reason) {
			locking = append(locking, i)
		}
	}
	var whys []string
	for _, r := range t.Rows {
		p, ok := scenarios.Find(r.Probe)
		if r.Reason != reason || r.Expect != scenarios.Checked.String() || ok && !p.On(t.Arch) {
			continue
		}
		selected = len(locking) > 0 || !any
		for _, i := range locking {
			text := string(r.Cells[i].Verdict)
			switch r.Cells[i].Verdict {
			case Unavailable:
				text = r.Cells[i].Why
			case Shadowed:
				text = "only reached behind another reason"
			case Open:
				text = "checked at boot only, and locked at run time"
			}
			if !slices.Contains(whys, text) {
				whys = append(whys, text)
			}
		}
	}
	if len(locking) == 0 {
		return "no setting locks it", selected
	}
	return strings.Join(whys, "; "), selected
}

// Untested lists the reasons that the plan selects and that no cell shows to be
// enforced, one line each.
func (m *Matrix) Untested() (list []string) {
	for _, t := range m.Tables {
		for _, u := range t.Reasons().Untested {
			list = append(list, fmt.Sprintf("%s %s: %s (%s)", t.Kernel, t.Arch, u.Reason, u.Why))
		}
	}
	return list
}

// Retried lists the guests that were lost once and passed when they ran again.
func (m *Matrix) Retried() (list []string) {
	for _, t := range m.Tables {
		for _, c := range t.Columns {
			if c.Tries > 1 && c.End.Well() {
				list = append(list, fmt.Sprintf("%s %s %s", t.Kernel, t.Arch, c.Setting))
			}
		}
	}
	return list
}

// A ReasonSummary sums up all checked probes of a reason.
type ReasonSummary struct {
	Reason lockdown.Reason
	Cells  []Verdict // one a column
}

// ByReason sums up the checked probes of each reason: the first verdict that is
// not as expected, or else a known issue, or else enforced if a probe was, or else open.
func (t Table) ByReason() (rows []ReasonSummary) {
	for _, info := range lockdown.Reasons() {
		row := ReasonSummary{Reason: info.Reason}
		for i := range t.Columns {
			if v := t.sum(info.Reason, i); v != "" {
				row.Cells = append(row.Cells, v)
			}
		}
		if len(row.Cells) == len(t.Columns) {
			rows = append(rows, row)
		}
	}
	return rows
}

// sum is empty if the reason has no checked probe.
func (t Table) sum(reason lockdown.Reason, column int) (sum Verdict) {
	known := false
	for _, r := range t.Rows {
		if r.Reason != reason || r.Expect != scenarios.Checked.String() {
			continue
		}
		switch v := r.Cells[column].Verdict; {
		case v == Known:
			known = true // another probe may have what nobody knows
		case !v.Expected():
			return v
		case v == Enforced, sum == "", sum == Unavailable && v != Shadowed:
			if sum != Enforced {
				sum = v
			}
		case sum == Open && v == Shadowed, sum == Unavailable:
			sum = v
		}
	}
	if known {
		return Known
	}
	if sum == Shadowed {
		return Open // the shadow of a probe is evidence for another reason
	}
	return sum
}
