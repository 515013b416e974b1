package scenarios

import (
	"os"
	"runtime"
	"testing"
)

// TestReadPortWithoutPermission wants the fault to be a denial: a grant that
// was taken back must not look like a crash.
func TestReadPortWithoutPermission(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if r := readPort("nothing"); r.Outcome != Denied {
		t.Errorf("%+v (uid %d)", r, os.Getuid())
	}
}
