package matrix

import (
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// Reasons says which reasons a table shows to be enforced, and which no guest
// of its architecture can reach.
type Reasons struct {
	Enforced []lockdown.Reason // a probe of it was denied as owed, with control and evidence
	Beyond   []Beyond
	Of       int // reasons that the kernel has
}

// A Beyond is a reason that cannot be reached.
type Beyond struct {
	Reason lockdown.Reason
	Why    string
}

// Reasons sums up a table by reason, in the kernel's order.
func (t Table) Reasons() (rs Reasons) {
	enforced := map[lockdown.Reason]bool{}
	for _, r := range t.Rows {
		for _, c := range r.Cells {
			enforced[r.Reason] = enforced[r.Reason] || c.Verdict == Enforced
		}
	}
	for _, info := range lockdown.Reasons() {
		rs.Of++
		if enforced[info.Reason] {
			rs.Enforced = append(rs.Enforced, info.Reason)
		} else if why := scenarios.Beyond(info.Reason, t.Arch); why != "" {
			rs.Beyond = append(rs.Beyond, Beyond{info.Reason, why})
		}
	}
	return rs
}

// A ReasonSummary is all gated probes of a reason in one line.
type ReasonSummary struct {
	Reason lockdown.Reason
	Cells  []Verdict // one a column
}

// ByReason sums up the gated probes of each reason: the first verdict that is
// not as expected, else enforced where a probe was denied, else open.
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

// sum is empty where the reason has no gated probe.
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
		return Open // a mask speaks of another reason
	}
	return sum
}
