package main

import (
	"bytes"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// TestCellChecksSteps: a guest does not run steps that are out of bounds.
func TestCellChecksSteps(t *testing.T) {
	var l lab
	for _, tc := range []struct {
		step scenarios.Step
		want string
	}{
		{scenarios.Step{Call: "open", File: "/x"}, ""},
		{scenarios.Step{Call: "fork"}, "guest: check step 1, fork: no such call"},
		{scenarios.Step{Call: "read", File: "$f"}, "guest: check step 1, read: no step before it opened $f"},
	} {
		var in, out bytes.Buffer
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Bitmap, Steps: []scenarios.Step{tc.step}})
		if err := l.run(&out).answer(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		err := guestproto.ReadFrames(&out, func(guestproto.Frame) error { return nil })
		if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%+v: %v, want %q", tc.step, err, tc.want)
		}
	}
}
