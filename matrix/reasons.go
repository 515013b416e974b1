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
