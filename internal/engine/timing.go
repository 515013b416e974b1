package engine

import (
	"slices"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// timing lists the phases of a guest, in order, on the host's clock. The
// guest's own marks are on the clock of its kernel's log; the mark "ready" is
// on both clocks.
func timing(p vm.Phases, marks []scenarios.Mark, first, end time.Duration) []matrix.Phase {
	var phases []matrix.Phase
	add := func(name string, at time.Duration) {
		if at > 0 {
			phases = append(phases, matrix.Phase{Name: name, MS: at.Milliseconds()})
		}
	}
	ready := slices.IndexFunc(marks, func(m scenarios.Mark) bool { return m.Name == guestproto.MarkReady })
	if p.Ready > 0 && ready >= 0 {
		kernel := p.Ready - time.Duration(marks[ready].NS)
		add("kernel runs", kernel)
		for _, m := range marks[:ready] {
			add(m.Name, kernel+time.Duration(m.NS))
		}
	}
	add(guestproto.MarkReady, p.Ready)
	add("login", p.Login)
	add(FirstAnswer, first)
	add(Ended, end)
	return phases
}

// marks are the guest's marks of its boot; a forked guest has none.
func marks(run matrix.MachineRun) []scenarios.Mark {
	if s := run.State(guestproto.WhenBoot); s != nil && !run.Forked {
		return s.Marks
	}
	return nil
}
