package scenarios

import (
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// Every reason has a gated probe on an architecture, or a reason why not.
func TestEveryReasonIsProbedOrOutOfReach(t *testing.T) {
	for _, arch := range []string{"x86_64", "arm64"} {
		probed := map[lockdown.Reason]bool{}
		for _, row := range Rows() {
			if row.Expect == Checked && row.On(arch) {
				probed[row.Reason] = true
			}
		}
		n := 0
		for _, info := range lockdown.Reasons() {
			if probed[info.Reason] == (OutOfReach(info.Reason, arch) != "") {
				t.Errorf("%s: %s has probes: %v, is out of reach: %q", arch, info.Reason, probed[info.Reason], OutOfReach(info.Reason, arch))
			}
			if probed[info.Reason] {
				n++
			}
		}
		t.Logf("%s: %d of %d reasons have probes", arch, n, len(lockdown.Reasons()))
	}
}
