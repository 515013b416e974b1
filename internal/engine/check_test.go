package engine

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestCheckStates: without a state, or if lockdown is no security module, the lab
// is at fault. Whether the setting is in force is a verdict.
func TestCheckStates(t *testing.T) {
	const integ = "none [integrity] confidentiality\n"
	for _, tc := range []struct {
		name   string
		states []scenarios.State
		want   string
	}{
		{"good", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown,capability", Level: integ}}, ""},
		{"another level", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown"}}, ""},
		{"no state", nil, "never reported"},
		// 6.12 without EARLY and with lsm= lacking lockdown shows [integrity]
		// and enforces nothing.
		{"not an LSM", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,yama", Level: integ}}, "nothing is enforced"},
		{"an LSM with a similar name", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,lockdown2", Level: integ}}, "nothing is enforced"},
	} {
		err := checkStates(matrix.MachineRun{States: tc.states})
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
