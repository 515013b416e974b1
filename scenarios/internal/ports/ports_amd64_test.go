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

// TestLevels: what a level gave is seen although a later call is refused.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		name    string
		refused int // the call that is refused, from 1
		effect  observe.Effect
	}{
		{"first refused", 1, observe.Nothing},
		{"third refused", 3, observe.Happened},
	} {
		calls, level := 0, 0
		r := setLevels(func(l int) error {
			if calls++; l == 3 && calls >= c.refused {
				return unix.EPERM
			}
			level = l
			return nil
		}, func(uint16) (string, bool) { return "inb", level == 3 }, 3, 0, 3)
		runtime.UnlockOSThread()
		if r.Outcome != observe.Denied || r.Effect != c.effect {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
