package ports

import (
	"os"
	"runtime"
	"testing"

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
