package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// checkStates reports why the lock state that a guest reports is wrong; nil if
// it agrees with the setting. If it does not, no verdict follows.
func checkStates(g matrix.Guest, r matrix.MachineRun) error {
	locked := r.State(guestproto.WhenLocked)
	if locked == nil {
		return fmt.Errorf("check setting: the guest never reported what is locked")
	}
	if !slices.Contains(strings.Split(strings.TrimSpace(locked.LSM), ","), "lockdown") {
		return fmt.Errorf("check setting: %s is %q, without lockdown: nothing is enforced, whatever the level file shows",
			lockdown.LSMFile, strings.TrimSpace(locked.LSM))
	}
	model := lockdown.NewModel(g.Interface, g.Setting)
	if err := agree(model, locked, "requested "+g.Setting.String()); err != nil {
		return err
	}
	for _, o := range r.Observations {
		for _, step := range o.Ops {
			if model.Answer(step) != step {
				return nil // the interface deviates: that is a verdict, and the end state is a consequence
			}
		}
	}
	if end := r.State(guestproto.WhenEnd); end != nil {
		return agree(model, end, "after the probes")
	}
	return nil
}

// agree compares the files that a guest read with the model.
func agree(model *lockdown.Model, s *scenarios.State, when string) error {
	for _, f := range []struct{ file, got string }{{lockdown.LevelFile, s.Level}, {lockdown.ReasonsFile, s.Reasons}} {
		want := model.Answer(lockdown.Op{Call: "read", File: f.file})
		if want.Err == "" && want.Data != f.got {
			return fmt.Errorf("check setting: %s, %s reads %s", when, f.file, difference(want.Data, f.got))
		}
	}
	return nil
}

// difference shows the first line in which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) {
			return fmt.Sprintf("no line %d, want %q", i+1, w[i])
		}
		if w[i] != g[i] {
			return fmt.Sprintf("%q, want %q", g[i], w[i])
		}
	}
	return fmt.Sprintf("%q after the last line", strings.Join(g[len(w):], "\n"))
}
