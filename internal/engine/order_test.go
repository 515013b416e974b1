package engine

import (
	"os"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// TestOrder: a seed gives each guest an order of its own that is always the
// same, has every probe once, and leaves those that alter the lock at the end.
func TestOrder(t *testing.T) {
	p := mustPlan(t, plan.Selection{Settings: []string{"integrity@runtime"}, Arches: []string{"x86_64"}})
	g := p.Guests[0]
	if !slices.Equal(plan.Order(g, p.Probes), p.Probes) {
		t.Error("without a seed the order is not the plan's")
	}
	g.Shuffle = 7
	order := plan.Order(g, p.Probes)
	if !slices.Equal(order, plan.Order(g, p.Probes)) {
		t.Error("one seed has two orders")
	}
	sorted := func(ids []string) []string { return slices.Sorted(slices.Values(ids)) }
	if !slices.Equal(sorted(order), sorted(p.Probes)) {
		t.Errorf("other probes: %q", order)
	}
	alters := func(id string) bool { row, _ := scenarios.Find(id); return row.AltersLock }
	last := slices.IndexFunc(p.Probes, alters)
	if n := slices.IndexFunc(order, alters); n != last || !slices.Equal(order[n:], p.Probes[last:]) {
		t.Errorf("at the end: %q, want %q", order[n:], p.Probes[last:])
	}
	stay := 0
	for i, id := range order[:last] {
		if id == p.Probes[i] {
			stay++
		}
	}
	if stay > last/10 {
		t.Errorf("%d of %d probes are in their old place", stay, last)
	}
	other, locked := g, g
	other.Shuffle, locked.Setting.Level = 8, lockdown.Integrity
	for _, g := range []struct{ name, first string }{
		{"another seed", first(plan.Order(other, p.Probes))}, {"another setting", first(plan.Order(locked, p.Probes))},
	} {
		if g.first == first(order) {
			t.Errorf("%s has the same order: %s", g.name, g.first)
		}
	}
	few := slices.DeleteFunc(slices.Clone(p.Probes), func(id string) bool { return id < "m" })
	if want := slices.DeleteFunc(slices.Clone(order), func(id string) bool { return id < "m" }); !slices.Equal(plan.Order(g, few), want) {
		t.Error("a selection of probes has another order than the whole")
	}
	// The order of a seed is for ever: a report names the seed and nothing else.
	if got, want := first(plan.Order(g, []string{"devmem/open", "kexec/load", "msr/write", "kcore/read"})), "devmem/open kexec/load kcore/read msr/write"; got != want {
		t.Errorf("order of seed 7: %s, want %s", got, want)
	}
	if req := request(g, p.Probes, 1, false); slices.Equal(req.Probes, request(p.Guests[0], p.Probes, 1, false).Probes) {
		t.Error("a guest's request has the plan's order")
	}
}

// first is the beginning of an order, as text.
func first(order []string) string { return order[0] + " " + order[1] + " " + order[2] + " " + order[3] }

// TestShuffleIsIdentity: --resume of one seed keeps nothing of another one.
func TestShuffleIsIdentity(t *testing.T) {
	digests, ids := map[string]bool{}, map[string]bool{}
	for _, seed := range []uint64{0, 1, 2} {
		p := mustPlan(t, plan.Selection{Settings: []string{"integrity@runtime"}, Shuffle: seed})
		digests[p.Digest()] = true
		for _, g := range p.Guests {
			ids[g.ID()] = true
		}
	}
	if len(digests) != 3 || len(ids) != 3*4 {
		t.Errorf("%d digests, want 3; %d guests, want 12", len(digests), len(ids))
	}
}

// TestShuffledForReal: verdicts do not depend on the order of the probes, neither
// in forks nor in boots. With LDLAB_EVERY_SETTING=1, as in make nightly, it tries
// more orders.
func TestShuffledForReal(t *testing.T) {
	sel := plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@boot", "confidentiality@runtime"}}
	want := boot(t, forReal(t, sel)).Tables[0]
	seeds := []uint64{1}
	if os.Getenv("LDLAB_EVERY_SETTING") != "" {
		seeds = []uint64{1, 2, 3, 4}
	}
	for _, seed := range seeds {
		for _, o := range []Options{{}, {Boot: true}} {
			sel.Shuffle = seed
			got := bootWith(t, mustPlan(t, sel), o).Tables[0]
			if len(got.Columns) != 3 || len(got.Rows) != len(want.Rows) {
				t.Fatalf("%d settings and %d probes, want 3 and %d", len(got.Columns), len(got.Rows), len(want.Rows))
			}
			for i, row := range got.Rows {
				for j, c := range row.Cells {
					if w := want.Rows[i].Cells[j]; c.Verdict != w.Verdict || !c.Verdict.Expected() {
						t.Errorf("seed %d, boot %v: %s under %s: %s (%s), in the plan's order %s (%s)",
							seed, o.Boot, row.Probe, got.Columns[j].Setting, c.Verdict, c.Why, w.Verdict, w.Why)
					}
				}
			}
		}
	}
}
