package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// Reasons sums up a table by reason.
type Reasons struct {
	Enforced   []lockdown.Reason // a probe was denied as expected, with control and evidence, and no cell is unexpected
	Doubtful   []lockdown.Reason // a probe was enforced, but another cell of the reason is not as expected
	OutOfReach []OutOfReach      // no guest of the architecture can reach them
	Of         int               // reasons that the kernel has
}

// OutOfReach is a reason that no guest of the architecture can reach, and why.
type OutOfReach struct {
	Reason lockdown.Reason
	Why    string
}

// Reasons sums up a table by reason, in the kernel's order.
func (t Table) Reasons() (rs Reasons) {
	enforced, unexpected := map[lockdown.Reason]bool{}, map[lockdown.Reason]bool{}
	for _, r := range t.Rows {
		for _, c := range r.Cells {
			enforced[r.Reason] = enforced[r.Reason] || c.Verdict == Enforced
			unexpected[r.Reason] = unexpected[r.Reason] || !c.Verdict.Expected()
		}
	}
	for _, info := range lockdown.Reasons() {
		rs.Of++
		why := scenarios.OutOfReach(info.Reason, t.Arch)
		switch {
		case enforced[info.Reason] && unexpected[info.Reason]:
			rs.Doubtful = append(rs.Doubtful, info.Reason)
		case enforced[info.Reason]:
			rs.Enforced = append(rs.Enforced, info.Reason)
		case why != "":
			rs.OutOfReach = append(rs.OutOfReach, OutOfReach{info.Reason, why})
		}
	}
	return rs
}

// A ReasonSummary sums up all checked probes of a reason.
type ReasonSummary struct {
	Reason lockdown.Reason
	Cells  []Verdict // one a column
}

// ByReason sums up the checked probes of each reason: the first verdict that is
// not as expected, or else enforced if a probe was, or else open.
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
	for _, r := range t.Rows {
		if r.Reason != reason || r.Expect != scenarios.Checked.String() {
			continue
		}
		switch v := r.Cells[column].Verdict; {
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
	if sum == Shadowed {
		return Open // the shadow of a probe is evidence for another reason
	}
	return sum
}
