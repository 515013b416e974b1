package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
)

// TestActsOnly: a request may ask for the acts alone.
func TestActsOnly(t *testing.T) {
	for _, counts := range []bool{true, false} {
		l := &lab{deny: map[string]bool{"vary/a": true}, counts: counts}
		var in, out bytes.Buffer
		req := guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"vary/a", "free/b"}, ActsOnly: true,
			Setting: lockdown.Setting{Level: lockdown.Integrity, Via: lockdown.Runtime}}
		if err := vport.Write(&in, &req); err != nil {
			t.Fatal(err)
		}
		if err := l.run(&out).answer(t.Context(), &in); err != nil || !slices.Equal(l.ran, req.Probes) {
			t.Errorf("counts %v: ran %q, want the two acts: %v", counts, l.ran, err)
		}
	}
}

// TestVariants: on a kernel that counts, variants run beside their act, and on
// another one after all acts, because their denials use up the lines of the log.
// A probe that changes what is locked comes after all of them.
func TestVariants(t *testing.T) {
	probes := []string{"vary/a", "free/b", "vary/c", "alters/d"}
	for counts, want := range map[bool][]string{
		true:  {"vary/a", "variants of vary/a", "free/b", "vary/c", "variants of vary/c", "alters/d", "variants of alters/d"},
		false: {"vary/a", "free/b", "vary/c", "variants of vary/a", "variants of vary/c", "alters/d", "variants of alters/d"},
	} {
		l := &lab{deny: map[string]bool{"vary/a": true}, counts: counts}
		var in, out bytes.Buffer
		s := lockdown.Setting{Level: lockdown.Integrity, Via: lockdown.Runtime}
		if err := vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Setting: s, Probes: probes}); err != nil {
			t.Fatal(err)
		}
		if err := l.run(&out).answer(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.ran, want) {
			t.Errorf("counts %v: ran %q, want %q", counts, l.ran, want)
		}
		varied := map[string]int{}
		err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
			if f.Varied != nil {
				varied[f.Varied.Probe] = len(f.Varied.Variants)
			}
			// The variants' checks are not the act's.
			if o := f.Observation; o != nil && len(o.Checks) > 0 && o.Checks[0].Checks != 1 {
				t.Errorf("%s has checks %+v", o.Probe, o.Checks)
			}
			return nil
		})
		if err != nil || len(varied) != 3 || varied["vary/a"] != 2 || l.open() != 0 {
			t.Errorf("counts %v: variants %v, %d children left: %v", counts, varied, l.open(), err)
		}
	}
}
