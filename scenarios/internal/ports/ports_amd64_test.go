package ports

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestReadPortWithoutPermission: a fault is a denial, so that a revoked grant
// does not look like a crash.
func TestReadPortWithoutPermission(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if r := readPort("nothing"); r.Outcome != observe.Denied {
		t.Errorf("%+v (uid %d)", r, os.Getuid())
	}
}

// TestTry: whether the thread has the port does not depend on the answer of the
// call, and what was granted is taken back.
func TestTry(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		outcome observe.Outcome
	}{
		{"refused", unix.EPERM, observe.Denied},
		{"granted, but nothing happened", nil, observe.Allowed},
	} {
		takenBack := false
		r := Try(c.name, POSTPort, func() error { return c.err }, func() { takenBack = true })
		runtime.UnlockOSThread()
		if r.Outcome != c.outcome || r.Effect != observe.Nothing || !takenBack {
			t.Errorf("%+v, taken back: %t", r, takenBack)
		}
	}
}
