// Package engine runs a plan: it makes kernels bootable, boots or forks their
// guests, and keeps what they saw. A Stage is a plan that is ready to run, and a
// batch runs its guests and stores their results.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/ldlab/ldlab/internal/results"
)

// Options say how a plan is run. The zero value works, except that runs need
// Out.
type Options struct {
	Out     string        // directory of results, reports and consoles
	Resume  bool          // keep the results that Out has of this plan
	Jobs    int           // guests at once; 0: what processors and memory allow
	Timeout time.Duration // of one guest with all its machines, from its start to its end, once its template is there; 0: cellTimeout times the machine's scale
	Accel   string        // tcg or kvm; empty: what the self-test chooses
	Cache   string        // of kernels and images; empty: kernels.DefaultCache()
	Console bool          // what guests write to their consoles comes as events
	Version string        // of the lab, for the results
	Timing  bool          // guests also report how their boot went
	Boot    bool          // boot every guest, fork none

	// Event receives every step, from one goroutine, in order. It may block:
	// guests do not wait for it. nil: nobody is interested.
	Event func(Event)
}

// cellTimeout is a guest's whole life, before scaling.
const cellTimeout = 60 * time.Second

// ErrInterrupted is returned if the context ended: what was measured until then
// is kept.
var ErrInterrupted = errors.New("interrupted")

// ErrResultsThere is in the error of a run whose directory has results already,
// and ErrOtherPlan in that of one that resumes the results of another plan.
var (
	ErrResultsThere = results.ErrThere
	ErrOtherPlan    = results.ErrOtherPlan
)

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}
