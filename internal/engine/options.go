// Package engine runs a plan: it makes kernels bootable, boots or forks their
// guests, and keeps what they saw. A Stage is a plan that is ready to run, and a
// batch runs its guests and stores their results.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/ldlab/ldlab/internal/engine/event"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix/known"
)

// Options configure a run. The zero value works, but runs need Out.
type Options struct {
	Out     string        // directory of results, reports and consoles
	Resume  bool          // keep the results of this plan in Out
	Jobs    int           // guests at once; 0: as many as processors and memory allow
	Timeout time.Duration // of one guest with all its machines, from its start to its end, once its template is there; 0: cellTimeout times the machine's scale
	Accel   string        // tcg or kvm; empty: what the self-test chooses
	Cache   string        // of kernels and images; empty: kernels.DefaultCache()
	Console bool          // send the guests' console output as events
	Version string        // version of the lab, for the results
	Timing  bool          // guests also report the phases of their boot
	Boot    bool          // boot every guest, fork none
	Rerun   bool          // run a guest a second time if one of its cells is not as expected; see matrix.Flaky
	Known   *known.List   // known issues; a guest with no other unexpected cell does not run a second time
	Machine string        // this machine's name and processor, which the results record; empty: they record none
	Part    bool          // the plan is a part of one, so what is judged is not reported: controls may be in another part

	// Packed are the plan's kernels; nil: they are built, or are in the cache.
	Packed []Packed

	// Event receives every event, from one goroutine, in order. It may block
	// without blocking guests. nil: events are dropped.
	Event func(Event)
}

// What a run reports while it runs; see package event.
type (
	Event      = event.Event
	GuestEvent = event.Guest
)

// cellTimeout is the time limit of a guest, before scaling.
const cellTimeout = 60 * time.Second

// ErrInterrupted is returned if the context ended: the results until then are
// kept.
var ErrInterrupted = errors.New("interrupted")

// ErrResultsThere is in the error of a run whose directory already has results.
// ErrOtherPlan is in the error of a run that resumes the results of another plan.
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
