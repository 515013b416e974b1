package engine

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

func TestCheckStates(t *testing.T) {
	integrity, err := lockdown.ParseSetting("integrity@boot")
	if err != nil {
		t.Fatal(err)
	}
	g := matrix.Guest{Kernel: "stock", Arch: "x86_64", Interface: lockdown.Upstream, Setting: integrity}
	const none, integ, conf = "[none] integrity confidentiality\n", "none [integrity] confidentiality\n", "none integrity [confidentiality]\n"
	raise := scenarios.Observation{Report: scenarios.Report{Outcome: scenarios.Answered, Ops: []lockdown.Op{
		{Call: "write", File: lockdown.LevelFile, Data: "confidentiality"}}}}
	deviates := scenarios.Observation{Report: scenarios.Report{Outcome: scenarios.Answered, Ops: []lockdown.Op{
		{Call: "write", File: lockdown.LevelFile, Data: "none"}}}}
	for _, tc := range []struct {
		name   string
		states []scenarios.State
		obs    []scenarios.Observation
		want   string
	}{
		{"good", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown,capability", Level: integ}, {When: guestproto.WhenEnd, Level: integ}}, nil, ""},
		{"raised by a probe", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: integ}, {When: guestproto.WhenEnd, Level: conf}}, []scenarios.Observation{raise}, ""},
		{"the interface deviates: a verdict, not an error", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: integ}, {When: guestproto.WhenEnd, Level: none}}, []scenarios.Observation{deviates}, ""},
		{"no state", nil, nil, "never reported"},
		// 6.12 without EARLY and with lsm= lacking lockdown shows [integrity]
		// and enforces nothing.
		{"not an LSM", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,yama", Level: integ}}, nil, "nothing is enforced"},
		{"an LSM with a similar name", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,lockdown2", Level: integ}}, nil, "nothing is enforced"},
		{"another level", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: none}}, nil, "requested integrity@boot"},
		{"changed under way", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: integ}, {When: guestproto.WhenEnd, Level: none}}, nil, "after the probes"},
	} {
		err := checkStates(g, matrix.MachineRun{States: tc.states, Observations: tc.obs})
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
