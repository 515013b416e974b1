package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

var counting = lockdown.Sites{Present: []lockdown.Site{{Name: "f", File: "f.c"}}}

// TestCannotFork: a QEMU that cannot fork is reported once, before any guest
// runs, and no guest tries it.
func TestCannotFork(t *testing.T) {
	for name, tt := range map[string]struct {
		setting string
		boot    bool
		sites   lockdown.Sites
		err     error
		notes   int
		forks   bool
	}{
		"can":                {"integrity@runtime", false, lockdown.Sites{}, nil, 0, true},
		"cannot":             {"integrity@runtime", false, lockdown.Sites{}, template.ErrCannotFork, 1, false},
		"not asked to":       {"integrity@runtime", true, lockdown.Sites{}, template.ErrCannotFork, 0, false},
		"can, at boot":       {"integrity@boot", false, lockdown.Sites{}, nil, 0, true},
		"cannot, at boot":    {"integrity@boot", false, lockdown.Sites{}, template.ErrCannotFork, 1, false},
		"it counts, at boot": {"integrity@boot", false, counting, template.ErrCannotFork, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}, Settings: []string{tt.setting}}),
				Options{Boot: tt.boot, Event: func(e Event) { notes = append(notes, e.Note) }})
			build := s.plan.Builds[0]
			k := &kernel{build: build, host: tcg, sites: tt.sites}
			s.kernels[keyOf(build)] = k
			s.checkForks = func(context.Context, vm.Config, string) error { return tt.err }
			if strings.HasSuffix(tt.setting, "@boot") { // a shard without the control
				s.plan.Guests = s.plan.Guests[1:]
			}
			for range 2 { // another kernel of the architecture does not repeat it
				if err := s.chooseForks(t.Context(), k); err != nil {
					t.Error(err)
				}
			}
			for _, g := range s.plan.Guests {
				if got := s.forkable(g, part{}) || s.shares(k, g); got != tt.forks {
					t.Errorf("%s: forkable %v, want %v", g.ID(), got, tt.forks)
				}
			}
			s.Close() // waits for the reader of events
			if len(notes) != tt.notes || len(notes) > 0 && !strings.Contains(notes[0], "x86_64: every guest boots, which takes longer, because QEMU cannot fork") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestForcedKVM: forking is not to blame if --accel chose a KVM that does not
// work.
func TestForcedKVM(t *testing.T) {
	var notes []string
	s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@runtime"}}),
		Options{Accel: "kvm", Event: func(e Event) { notes = append(notes, e.Note) }})
	s.checkForks = func(context.Context, vm.Config, string) error { return template.ErrCannotFork }
	k := &kernel{build: s.plan.Builds[0], host: matrix.Host{Arch: "x86_64", Accel: "kvm"}}
	if err := s.chooseForks(t.Context(), k); err != nil {
		t.Error(err)
	}
	s.Close() // waits for the reader of events
	if len(notes) != 1 || !strings.Contains(notes[0], "KVM, which --accel chose") || !s.boots["x86_64"] {
		t.Errorf("notes %q", notes)
	}
}

// TestForkCheckInterrupted: an interrupt does not mean that QEMU cannot fork.
func TestForkCheckInterrupted(t *testing.T) {
	s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}}), Options{})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s.checkForks = func(ctx context.Context, _ vm.Config, _ string) error { cancel(); return ctx.Err() }
	k := &kernel{build: s.plan.Builds[0], host: tcg}
	if err := s.chooseForks(ctx, k); !errors.Is(err, context.Canceled) || s.boots["x86_64"] {
		t.Errorf("%v, boots %v", err, s.boots)
	}
}
