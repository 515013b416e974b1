package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A setting holds from the lock to the end of the guest. What lockdown's files
// showed of it is in the machine's states, and, if a probe changed it, in that
// probe's observation.

// notLocked describes how lockdown's files of a machine differ from the setting
// while the probe ran; empty if they do not.
func (m *MachineRun) notLocked(g Guest, has lockdown.KernelReasons, probe string) string {
	model := has.NewModel(g.Interface, g.Setting)
	if s := m.State(guestproto.WhenLocked); s != nil {
		if text := differs(model, s); text != "" {
			return "after the lock, " + text
		}
	}
	at := slices.IndexFunc(m.Observations, func(o scenarios.Observation) bool { return o.Probe == probe })
	lost := slices.IndexFunc(m.Observations, func(o scenarios.Observation) bool { return lostLevel(&o) != "" })
	switch {
	case lost >= 0 && lost <= at:
		return "after " + m.Observations[lost].Probe + ", " + lostLevel(&m.Observations[lost])
	case lost >= 0:
		return ""
	}
	if s := m.State(guestproto.WhenEnd); s != nil && m.follow(model) {
		if text := differs(model, s); text != "" {
			return "after the probes, " + text
		}
	}
	return ""
}

// follow has the model answer what probes wrote to lockdown's files. It returns
// false if an answer differs: that is a verdict of its own, and what the files
// show later is a consequence.
func (m *MachineRun) follow(model *lockdown.Model) bool {
	for _, o := range m.Observations {
		for _, op := range o.Ops {
			if model.Answer(op) != op {
				return false
			}
		}
	}
	return true
}

// lostLevel is what a probe left of lockdown's files; empty if it left them as
// they were.
func lostLevel(o *scenarios.Observation) string {
	i := slices.IndexFunc(o.Left, func(text string) bool { return strings.Contains(text, lockdown.LevelFile) })
	if i < 0 {
		return ""
	}
	return o.Left[i]
}

// differs shows how the files that a guest read differ from the model; empty if
// they do not.
func differs(model *lockdown.Model, s *scenarios.State) string {
	for _, f := range []struct{ file, got string }{{lockdown.LevelFile, s.Level}, {lockdown.ReasonsFile, s.Reasons}} {
		want := model.Answer(lockdown.Op{Call: "read", File: f.file})
		if want.Err == "" && want.Data != f.got {
			return fmt.Sprintf("%s reads %s", f.file, difference(want.Data, f.got))
		}
	}
	return ""
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
