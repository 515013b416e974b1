// Package event has the events of a run, and the feed that passes them on.
package event

import (
	"time"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// An Event is a step of a run. Progress bars and logs are readers of the one
// stream of events; results never come from it. One field is set.
type Event struct {
	Note    string         // one line for the user
	Build   *kernels.Event // a step of a kernel build
	Guest   *Guest         // a guest has ended
	Console []byte         // what a guest wrote to its console, raw
}

// A Guest is the end of one guest.
type Guest struct {
	Guest       matrix.Guest
	Mutant      string        // "ANSWER SITE"; empty: the kernel as it is
	Done, Total int           // guests of the run; those that --resume kept are not counted
	Took        time.Duration // from QEMU's start to its end
	Outcome     string        // one line: how it ended
}
