package matrix

import (
	"slices"

	"github.com/ldlab/ldlab/scenarios"
)

// BuildAlone is Build for a part of a plan, whose controls may be in another part: each
// guest is judged by its own result, as if with nothing locked each of its acts was
// allowed and had its effect. A cell that is not as expected by that has a cause in its
// own guest. The verdicts of the plan are those of Build.
func BuildAlone(h Header, results []Result) (*Matrix, error) {
	assumed := map[*Result]*Result{}
	return build(h, results, func(r, _ *Result) *Result {
		if r == nil || !r.Setting.Locked() {
			return r
		}
		if assumed[r] == nil {
			assumed[r] = r.assumedControl()
		}
		return assumed[r]
	})
}

// assumedControl is what the result's guest would have seen with nothing locked on a
// kernel that is sound.
func (r *Result) assumedControl() *Result {
	control := Result{Host: r.Host, Origin: r.Origin}
	for _, m := range r.Machines {
		list := slices.Clone(m.Observations)
		for i := range list {
			o := &list[i]
			if o.Outcome != scenarios.Unavailable {
				o.Report = scenarios.Report{Outcome: scenarios.Allowed, Effect: assumedEffect(o.Effect)}
			}
			o.Variants = slices.Clone(o.Variants)
			for j, v := range o.Variants {
				// One that was allowed and changed nothing does not reach the object.
				if v.Outcome == scenarios.Denied {
					o.Variants[j].Outcome, o.Variants[j].Effect = scenarios.Allowed, assumedEffect(v.Effect)
				}
			}
		}
		control.Machines = append(control.Machines, MachineRun{Profile: m.Profile, Observations: list})
	}
	return &control
}

// assumedEffect is that of an act that is done; none if nothing looks at it.
func assumedEffect(seen scenarios.Effect) scenarios.Effect {
	if seen == "" {
		return ""
	}
	return scenarios.Happened
}
