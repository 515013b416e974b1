package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// full is a result that has something of everything on which verdicts rest.
func full(g Guest) Result {
	denied := scenarios.Check{Site: "f+0x1/0x2", Label: "a", Comm: "ldp-1", Checks: 2, Denials: 2}
	report := scenarios.Report{Outcome: scenarios.Unavailable, Errno: "EPERM", Call: "open() = EPERM", Why: "CONFIG_X",
		Ops: []lockdown.Op{{Call: "read", File: "lockdown", Data: "none"}}, Steps: []scenarios.Step{{Call: "open", Done: true}}}
	return Result{Guest: g, Tries: 1, Machines: []MachineRun{{
		Timing: []Phase{{"end", 5}},
		States: []scenarios.State{{When: "locked", Level: "none", LSM: "lockdown", Checks: []scenarios.Check{denied}, Log: []string{"Lockdown: swapper/0: b is restricted"}}},
		Observations: []scenarios.Observation{{Probe: "devmem/open", Comm: "ldp-1", Report: report, Checks: []scenarios.Check{denied}, Log: []string{denialLine},
			Runs: 1, Duration: 5, Variants: []scenarios.Variant{{Args: "x", Report: report}}}},
	}}}
}

// TestSeen: two results of a guest differ if something differs on which a verdict rests,
// and times or numbers of checks do not.
func TestSeen(t *testing.T) {
	g := Guest{Kernel: "bitmap", Arch: "x86_64", Interface: "bitmap"}
	h := Header{Format: Format, Plan: []Guest{g}, Probes: []string{"devmem/open"}}
	type at struct {
		m *MachineRun
		s *scenarios.State
		o *scenarios.Observation
	}
	edit := func(change func(*Result, at)) (a, b Result) {
		a, b = full(g), full(g)
		m := &b.Machines[0]
		change(&b, at{m, &m.States[0], &m.Observations[0]})
		return a, b
	}
	for name, change := range map[string]func(*Result, at){
		"ending":            func(r *Result, _ at) { r.End = End{Ending: LostByGuest, Cause: "panic"} },
		"machine":           func(_ *Result, x at) { x.m.Profile = "debugger" },
		"outcome":           func(_ *Result, x at) { x.o.Outcome = scenarios.Failed },
		"errno":             func(_ *Result, x at) { x.o.Errno = "EACCES" },
		"face":              func(_ *Result, x at) { x.o.Face = "EACCES" },
		"effect":            func(_ *Result, x at) { x.o.Effect = scenarios.Happened },
		"why unavailable":   func(_ *Result, x at) { x.o.Why = "CONFIG_Y" },
		"answer":            func(_ *Result, x at) { x.o.Ops[0].Err = "EINVAL" },
		"data":              func(_ *Result, x at) { x.o.Ops[0].Data = "[none] integrity" },
		"step":              func(_ *Result, x at) { x.o.Steps[0].Err = "EPERM" },
		"stuck":             func(_ *Result, x at) { x.o.Stuck = true },
		"left":              func(_ *Result, x at) { x.o.Left = []string{"x"} },
		"site":              func(_ *Result, x at) { x.o.Checks[0].Site = "g+0x1/0x2" },
		"label":             func(_ *Result, x at) { x.o.Checks[0].Label = "c" },
		"task":              func(_ *Result, x at) { x.o.Checks[0].Comm = "other" },
		"never denied":      func(_ *Result, x at) { x.o.Checks[0].Denials = 0 },
		"sometimes denied":  func(_ *Result, x at) { x.o.Checks[0].Denials = 1 },
		"no check":          func(_ *Result, x at) { x.o.Checks = nil },
		"log":               func(_ *Result, x at) { x.o.Log = nil },
		"another line":      func(_ *Result, x at) { x.o.Log[0] = strings.Replace(denialLine, "ldp-1", "ldp-2", 1) },
		"a variant's errno": func(_ *Result, x at) { x.o.Variants[0].Errno = "EIO" },
		"level":             func(_ *Result, x at) { x.s.Level = "[none] integrity" },
		"reasons":           func(_ *Result, x at) { x.s.Reasons = "a" },
		"LSMs":              func(_ *Result, x at) { x.s.LSM = "" },
		"errors":            func(_ *Result, x at) { x.s.Errors = []string{"open() = EIO"} },
		"a warning":         func(_ *Result, x at) { x.s.Splats = []string{"WARNING: x"} },
		"a check at boot":   func(_ *Result, x at) { x.s.Checks[0].Denials = 0 },
		"a line at boot":    func(_ *Result, x at) { x.s.Log = nil },
		"it counts":         func(_ *Result, x at) { x.s.Counts = true },
	} {
		a, b := edit(change)
		m, err := Build(h, []Result{a, b})
		if a.Seen() == b.Seen() || err != nil || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], "both are left out") {
			t.Errorf("another %s: it counts as the same: %v, %q", name, err, m.Problems)
		}
	}
	a, b := edit(func(r *Result, x at) {
		x.m.Timing[0].MS, x.o.Duration, x.o.StartNS, x.o.Runs, r.Tries = 7, 8, 9, 2, 2
		x.o.Comm = "ldp-2"
		x.o.Checks[0] = scenarios.Check{Site: "f+0x1/0x2", Label: "a", Comm: "ldp-2", Checks: 4, Denials: 4}
		x.o.Log = []string{strings.Replace(denialLine, "ldp-1", "ldp-2", 1), strings.Replace(denialLine, "ldp-1", "ldp-2", 1)}
	})
	if a.Seen() != b.Seen() {
		t.Error("times, the names of tasks and numbers of checks count as another outcome")
	}
	// A kernel that counts may leave lines out, if its log is not whole.
	counting := func(whole bool, log ...string) [32]byte {
		r := full(g)
		r.Machines[0].States[0].Counts = true
		o := &r.Machines[0].Observations[0]
		o.LogWhole, o.Log = whole, log
		return r.Seen()
	}
	line := "Lockdown: ldp-1: a is restricted"
	if logged := counting(true, line); logged != counting(false) || logged != counting(false, line) || logged == counting(true) {
		t.Error("on a kernel that counts, only a line that is missing in a whole log is another outcome")
	}
}
