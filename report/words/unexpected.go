package words

import (
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/matrix"
)

// An Unexpected lists the probes of one guest that got the same unexpected
// verdict for the same reason. Known issues are no such verdict.
type Unexpected struct {
	Guest  string // kernel, architecture and setting
	Probes []string
	matrix.Judgment
	Column matrix.Column
	Seen   []string // what the first of them saw, and its variants; see SeenOf
}

func AllUnexpected(m *matrix.Matrix) []Unexpected {
	var list []Unexpected
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			guest, first := fmt.Sprintf("%s %s %s", t.Kernel, t.Arch, c.Setting), len(list)
			for _, r := range t.Rows {
				j := r.Cells[i].Judgment
				if j.Verdict.Expected() || j.Verdict == matrix.Known {
					continue
				}
				same := slices.IndexFunc(list[first:], func(u Unexpected) bool { return u.Judgment == j })
				if same < 0 {
					list = append(list, Unexpected{guest, []string{r.Probe}, j, c, SeenOf(r.Cells[i].Observed)})
				} else {
					list[first+same].Probes = append(list[first+same].Probes, r.Probe)
				}
			}
		}
	}
	return list
}

func (u Unexpected) String() string {
	s := fmt.Sprintf("%s %s: %s", u.Guest, ProbeList(u.Probes), u.Verdict)
	if u.Why != "" {
		s += ": " + u.Why
	}
	return Clean(s)
}

// LeakOrGap is the rule of the matrix that found a leak or a known gap, and could not
// tell which.
const LeakOrGap = "leak-or-gap"

// AgainstKernel reports whether a verdict shows that the kernel is not as expected,
// whatever became of its guest later. A leak that may be a known gap counts.
func AgainstKernel(j matrix.Judgment) bool {
	v := j.Seen()
	return v.Measured() && !v.Expected() || j.Rule == LeakOrGap
}

// Gravity orders unexpected verdicts: the gravest is the least.
func Gravity(j matrix.Judgment) int {
	v := j.Verdict
	if j.Rule == LeakOrGap && v != matrix.Flaky {
		v = matrix.Leak
	}
	return slices.Index(matrix.Verdicts(), v)
}

// Gravest lists the unexpected cells, the gravest first; the order of the matrix
// decides among equals.
func Gravest(m *matrix.Matrix) []Unexpected {
	list := AllUnexpected(m)
	slices.SortStableFunc(list, func(a, b Unexpected) int { return Gravity(a.Judgment) - Gravity(b.Judgment) })
	return list
}
