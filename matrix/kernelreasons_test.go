package matrix

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// has is a kernel with some of the lab's reasons, and with one that it does not know.
var has = lockdown.KernelReasons{
	{Reason: "dev_mem", Level: lockdown.Integrity, Label: "/dev/mem,kmem,port"},
	{Reason: "killswitch", Level: lockdown.Integrity, Label: "use of killswitch"},
	{Reason: "tracefs", Level: lockdown.Confidentiality, Label: "use of tracefs"},
}

// reasonCases are about reasons that the kernel lacks or the lab does not know.
func reasonCases(t *testing.T) (cases []judgeCase) {
	row := func(r lockdown.Reason, e scenarios.Expectation) scenarios.Row {
		return scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: r, Expect: e}}}
	}
	allowed, other := saw(scenarios.Allowed), saw(scenarios.Denied, "Lockdown: ldp-1: use of killswitch is restricted; see man kernel_lockdown.7")
	for _, tc := range []struct {
		name    string
		row     scenarios.Row
		setting string
		saw     *scenarios.Observation
		want    Verdict
	}{
		{"a reason that the kernel lacks", row("kcore", scenarios.Checked), "confidentiality", allowed, Unavailable},
		{"a gap of a reason that the kernel lacks", row("kcore", scenarios.Gap), "confidentiality", allowed, Unavailable},
		{"what must stay allowed, of a reason that the kernel lacks", row("kcore", scenarios.Unchecked), "confidentiality", allowed, Open},
		{"a reason that the kernel has", row("dev_mem", scenarios.Checked), "integrity", allowed, Leak},
		{"a setting with a reason that the kernel lacks", row("dev_mem", scenarios.Checked), "dev_mem,kcore", allowed, Unavailable},
		{"denied by a reason that the lab does not know, and that is locked", row("dev_mem", scenarios.Checked), "integrity", other, Unattributed},
		{"denied by a reason that the lab does not know, and that is not locked", row("dev_mem", scenarios.Checked), "dev_mem", other, Overblocked},
		{"must stay allowed, denied by a reason that the lab does not know", row("dev_mem", scenarios.Unchecked), "integrity", other, Overblocked},
	} {
		cases = append(cases, judgeCase{tc.name, evidence{row: tc.row, has: has, guest: Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}, observed: tc.saw, control: allowed}, tc.want})
	}
	return cases
}

// TestReasonsOfKernel: the summary counts the kernel's reasons, and names those that
// the lab does not know and what its table has otherwise.
func TestReasonsOfKernel(t *testing.T) {
	differs := slices.Clone(has)
	differs[2].Label = "tracefs"
	rs := Table{Arch: "x86_64", Has: differs}.Reasons()
	if rs.Of != 3 || len(rs.NoProbe) != 1 || rs.NoProbe[0].Reason != "killswitch" || len(rs.Differs) != 1 {
		t.Errorf("%+v", rs)
	}
	if rs := (Table{Arch: "x86_64"}).Reasons(); rs.Of != len(lockdown.Reasons()) || rs.NoProbe != nil || rs.Differs != nil {
		t.Errorf("reasons that are not known: %+v", rs)
	}
}
