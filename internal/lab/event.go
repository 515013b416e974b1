package lab

import (
	"time"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// An Event is a step of a run. Progress bars and logs are readers of the one
// stream of events; results never come from it.
type Event struct {
	Note  string         // one line for the user, or empty
	Build *kernels.Event // a step of a kernel build
	Guest *GuestEvent    // a guest has ended
}

// A GuestEvent is the end of one guest.
type GuestEvent struct {
	Guest       matrix.Guest
	Done, Total int           // guests of the run, those kept by --resume not counted
	Took        time.Duration // from QEMU's start to its end
	Outcome     string        // one line: what came of it
}
