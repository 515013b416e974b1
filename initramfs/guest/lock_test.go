package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
)

// A lock that the kernel refuses is in the state, and the probes run: that the
// setting is not in force is a verdict.
func TestCellLockFails(t *testing.T) {
	l := &lab{refuse: lockdown.LevelFile}
	s, _ := lockdown.ParseSetting("integrity@runtime")
	var in, out bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Setting: s, Probes: []string{"setup/a", "free/c"}})
	err := l.run(&out).answer(t.Context(), &in)
	var errs []string
	ferr := guestproto.ReadFrames(bytes.NewReader(out.Bytes()), func(f guestproto.Frame) error {
		if f.State != nil && f.State.When == guestproto.WhenLocked {
			errs = f.State.Errors
		}
		return nil
	})
	obs := observations(out.Bytes())
	if err != nil || ferr != nil || len(errs) != 1 || !strings.HasPrefix(errs[0], guestproto.LockFailed) || len(obs) != 2 || l.open() != 0 {
		t.Errorf("%v, %v: errors %q, %d observations, children left: %v", err, ferr, errs, len(obs), l.started)
	}
}
