package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// checkStates reports why no verdict follows from a machine's states; nil if
// one does. A setting that is not in force is a verdict: the matrix judges it.
func checkStates(r matrix.MachineRun) error {
	locked := r.State(guestproto.WhenLocked)
	if locked == nil {
		return fmt.Errorf("check setting: the guest never reported what is locked")
	}
	if !slices.Contains(strings.Split(strings.TrimSpace(locked.LSM), ","), "lockdown") {
		return fmt.Errorf("check setting: %s is %q, without lockdown: nothing is enforced, whatever the level file shows",
			lockdown.LSMFile, strings.TrimSpace(locked.LSM))
	}
	return nil
}
