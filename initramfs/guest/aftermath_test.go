package main

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// TestAftermath: what a probe leaves is reported as that probe's, once, and what a
// Setup makes is not, unless it stays after the probe.
func TestAftermath(t *testing.T) {
	foot := []string{lockdown.LevelFile + " has x"}
	change := func(add string) { foot = append(slices.Clone(foot), add); slices.Sort(foot) }
	l := &lab{counts: true}
	l.onAct = func(probe string) {
		switch probe {
		case "free/leaves":
			change("module")
		case "setup/stays":
			change("event")
		}
	}
	g := l.guest()
	g.look = func() []string { return foot }
	var in, out bytes.Buffer
	probes := []string{"setup/stays", "free/leaves", "free/clean"}
	s := lockdown.Setting{Level: lockdown.Integrity, Via: lockdown.Boot}
	if err := vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Setting: s, Probes: probes}); err != nil {
		t.Fatal(err)
	}
	if err := l.runOn(g, &out).answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	left := map[string][]string{}
	if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.Left != nil {
			left[f.Left.Probe] = f.Left.Left
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := map[string][]string{"setup/stays": {"event"}, "free/leaves": {"module"}}; !reflect.DeepEqual(left, want) {
		t.Errorf("left behind: %q, want %q", left, want)
	}
	a := aftermath{read: func() []string { return foot }, now: foot}
	change("kprobe")
	a.afterSetup(7)
	foot = slices.DeleteFunc(slices.Clone(foot), func(s string) bool { return s == "kprobe" })
	if got := a.afterRow(7, scenarios.Row{}); got != nil {
		t.Errorf("a Setup that was undone left %q", got)
	}
}
