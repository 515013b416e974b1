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
	if text := m.neverLocked(g, model); text != "" {
		return text
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

// neverLocked describes how lockdown's files of a machine differed from the setting
// right after the lock; empty if they did not.
func (m *MachineRun) neverLocked(g Guest, model *lockdown.Model) string {
	s := m.State(guestproto.WhenLocked)
	if s == nil {
		return ""
	}
	if text := notInForce(g, s); text != "" {
		return text
	}
	if text := differs(model, s); text != "" {
		return "after the lock, " + text
	}
	return ""
}

// notInForce describes what keeps a setting from being in force, whatever the level
// file shows: the kernel refused it, or lockdown is none of the security modules that
// the kernel asks. Until v6.18 the file is there all the same, and shows the level of
// lockdown= (lockdown_secfs_init in security/lockdown/lockdown.c, v6.12).
func notInForce(g Guest, s *scenarios.State) string {
	if !g.Setting.Locked() {
		return ""
	}
	for _, e := range s.Errors {
		if cause, ok := strings.CutPrefix(e, guestproto.LockFailed); ok {
			return "the lock failed: " + cause
		}
	}
	if s.LSM == "" || slices.Contains(strings.Split(strings.TrimSpace(s.LSM), ","), "lockdown") {
		return ""
	}
	file := "there is no " + lockdown.LevelFile
	if s.Level != "" {
		file = fmt.Sprintf("%s reads %q", lockdown.LevelFile, strings.TrimSpace(s.Level))
	}
	return fmt.Sprintf("%s is %q, without lockdown, and %s", lockdown.LSMFile, strings.TrimSpace(s.LSM), file)
}

// nothingDenied describes that a guest denied nothing of what it was to deny, for more
// than one reason, although lockdown's files show the setting; empty if it denied
// something. What one reason lets through is that reason's leak.
func nothingDenied(k Kernel, r *Result) string {
	reasons := map[lockdown.Reason]bool{}
	var file string
	for _, m := range r.Machines {
		if s := m.State(guestproto.WhenLocked); s != nil && file == "" {
			file = strings.TrimSpace(s.Level)
		}
		for i := range m.Observations {
			o := &m.Observations[i]
			row, ok := scenarios.Find(o.Probe)
			row = row.Of(scenarios.Kernel{Version: k.version(r), Config: k.Config, Calls: k.functions()})
			if !ok || row.Expected(r.Setting) != scenarios.ExpectDenied {
				continue
			}
			switch o.Outcome {
			case scenarios.Denied:
				return ""
			case scenarios.Allowed:
				reasons[row.Reason] = true
			}
		}
	}
	if len(reasons) < 2 {
		return ""
	}
	return fmt.Sprintf("%s reads %q, and nothing of what was tried for %d locked reasons was denied", lockdown.LevelFile, file, len(reasons))
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
			return fmt.Sprintf("%s reads %s", f.file, lockdown.Difference(want.Data, f.got))
		}
	}
	return ""
}
