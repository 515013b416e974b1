package main

import (
	"slices"
	"strings"

	"github.com/ldlab/ldlab/initramfs/guest/footprint"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// An aftermath compares a guest's footprint before and after each probe.
type aftermath struct {
	read func() []string // sorted lines; nil: nothing is compared
	now  []string
	held map[int]footprint.Change // by row: what its Setup changed, which its end must undo
}

// start reads the footprint for the first time, or anew after the lock.
func (a *aftermath) start() {
	if a.read != nil {
		a.now = a.read()
	}
}

// afterSetup notes what the Setup of a row keeps until the row's end.
func (a *aftermath) afterSetup(i int) {
	if a.read == nil {
		return
	}
	now := a.read()
	if c := footprint.Changed(a.now, now); len(c.Added)+len(c.Removed) > 0 {
		if a.held == nil {
			a.held = map[int]footprint.Change{}
		}
		a.held[i] = c
	}
	a.now = now
}

// afterRow returns what a row left behind, whose processes are gone. A row that
// writes lockdown's files changes them.
func (a *aftermath) afterRow(i int, row scenarios.Row) []string {
	if a.read == nil {
		return nil
	}
	want, now := a.held[i].Undo(a.now), a.read()
	delete(a.held, i)
	a.now = now
	c := footprint.Changed(want, now)
	if row.Expect == scenarios.ABI {
		ours := func(line string) bool { return strings.HasPrefix(line, lockdown.LevelFile) }
		c.Added, c.Removed = slices.DeleteFunc(c.Added, ours), slices.DeleteFunc(c.Removed, ours)
	}
	return c.Sentences()
}

// lookAfter sends what a row left behind, if it left anything.
func (r *cellRun) lookAfter(i int) error {
	left := r.aftermath.afterRow(i, r.rows[i])
	if len(left) == 0 {
		return nil
	}
	return r.send(guestproto.Frame{Left: &guestproto.Left{Probe: r.rows[i].ID, Left: left}})
}
