package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// openPort is the only call site of the kernel in this file.
var openPort = lockdown.Site{Name: "open_port+0x1/0x2", File: "drivers/char/mem.c", Function: "open_port", Reason: "dev_mem"}

// countingKernel answers for a kernel with that call site; a mutant gives its
// fixed answer.
func countingKernel(g matrix.Guest, j job) matrix.Result {
	res := sound(context.Background(), g, j.probes)
	run := &res.Machines[0]
	info, _ := lockdown.Info("dev_mem")
	for i := range run.States {
		run.States[i].Counts = true
	}
	for i := range run.Observations {
		o := &run.Observations[i]
		denied := g.Setting.Locks("dev_mem")
		switch j.mutant.command {
		case "allow " + openPort.Name:
			denied = false
		case "deny " + openPort.Name:
			denied = true
		}
		o.Log, o.Outcome, o.Call = nil, scenarios.Allowed, "open = 3"
		check := scenarios.Check{Site: openPort.Name, Label: info.Label, Comm: o.Comm, Checks: 1}
		if denied {
			o.Outcome, o.Call, check.Denials = scenarios.Denied, "open = EPERM", 1
		}
		o.Checks = []scenarios.Check{check}
	}
	return res
}

// TestMutantsResume interrupts a mutation run after each of its guests: stored
// results are kept, and only the rest runs again.
func TestMutantsResume(t *testing.T) {
	p := mustPlan(t, plan.ForSites(plan.Selection{Arches: []string{"x86_64"}, Probes: []string{"devmem/open"}}))
	build := p.Builds[0]
	var mu sync.Mutex
	mutate := func(ctx context.Context, out string, ran func(string)) ([]matrix.Mutation, error) {
		s := newStage(p, Options{Out: out, Jobs: 1, Resume: true})
		defer s.Close()
		s.kernels[keyOf(build)] = &kernel{build: build, host: tcg, sites: lockdown.Sites{Present: []lockdown.Site{openPort}},
			record: matrix.Kernel{Name: build.Kernel.Name, Arch: build.Arch.Name, Calls: map[string]string{openPort.Name: openPort.Where()}}}
		b, err := openBatch(s)
		if err != nil {
			return nil, err
		}
		defer b.close()
		b.run = func(_ context.Context, j job) matrix.Result {
			mu.Lock()
			defer mu.Unlock()
			res := countingKernel(j.guest, j)
			res.Mutant, res.Host = j.mutant.command, tcg
			ran(j.id())
			return res
		}
		all, _, err := b.mutate(ctx, MutantChoice{Kinds: []matrix.MutantKind{matrix.Allow, matrix.Deny}})
		return all, err
	}
	const guests = 5 // the control, two settings, two mutants
	for stop := 1; stop <= guests; stop++ {
		out := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		var first, second []string
		_, err := mutate(ctx, out, func(id string) {
			if first = append(first, id); len(first) == stop {
				cancel()
			}
		})
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("interrupted after %d: %v", stop, err)
		}
		all, err := mutate(t.Context(), out, func(id string) { second = append(second, id) })
		if err != nil {
			t.Fatal(err)
		}
		// The interrupted guest has no result; all before it have one.
		if kept := first[:stop-1]; len(second) != guests-len(kept) || slices.ContainsFunc(kept, func(id string) bool { return slices.Contains(second, id) }) {
			t.Errorf("interrupted after %q, then ran %q", first, second)
		}
		if m := all[0]; !m.Sound() || m.Count(matrix.Killed) != 2 {
			t.Errorf("interrupted after %d: %+v", stop, m)
		}
	}
	if len(p.Guests) != guests-2 {
		t.Fatalf("the plan has %d guests", len(p.Guests))
	}
}

// TestMutantsThatHungRunAgain resumes after a mutant hung: another time limit may
// give it a status. One that crashed its guest is killed and stays so.
func TestMutantsThatHungRunAgain(t *testing.T) {
	p := mustPlan(t, plan.ForSites(plan.Selection{Arches: []string{"x86_64"}, Probes: []string{"devmem/open"}}))
	g := p.Guests[0]
	s := newStage(p, Options{})
	defer s.Close()
	s.kernels[keyOfGuest(g)] = &kernel{build: p.Builds[0], host: tcg}
	for cause, want := range map[vm.Cause]bool{vm.Panicked: true, vm.Reset: true, vm.Hung: false, vm.Garbled: false, vm.PoweredOff: false} {
		end := matrix.End{Ending: matrix.LostByGuest, Cause: string(cause)}
		if got := s.current(matrix.Result{Guest: g, Host: tcg, Mutant: "allow x", End: end}); got != want {
			t.Errorf("mutant, %s: kept %v, want %v", cause, got, want)
		}
		if s.current(matrix.Result{Guest: g, Host: tcg, End: end}) {
			t.Errorf("no mutant, %s: kept", cause)
		}
	}
}

// TestMutantsWithoutBaseline has no result of a guest without a mutant: then it is
// not known which probes reach a site, and no mutant is merely not covered.
func TestMutantsWithoutBaseline(t *testing.T) {
	p := mustPlan(t, plan.ForSites(plan.Selection{Arches: []string{"x86_64"}, Probes: []string{"devmem/open"}}))
	base := newBaseline(&kernel{build: p.Builds[0], host: tcg, sites: lockdown.Sites{Present: []lockdown.Site{openPort}}}, nil, MutantChoice{}, nil)
	m := base.mutation(&matrix.Matrix{}, nil)
	if len(m.Mutants) == 0 || m.Count(matrix.MutantError) != len(m.Mutants) || m.Sound() {
		t.Errorf("%+v", m)
	}
}

// TestRefusedAnyway has a kernel without the call, in which another call denies
// the acts of some probes.
func TestRefusedAnyway(t *testing.T) {
	denied := func(probe, site string) scenarios.Observation {
		return scenarios.Observation{Probe: probe, Report: scenarios.Report{Outcome: scenarios.Denied}, Checks: []scenarios.Check{{Site: site, Label: "reason", Checks: 1, Denials: 1}}}
	}
	forOther := denied("f", "other")
	forOther.Checks[0].Label = "another reason"
	done := denied("c", "other")
	done.Effect = scenarios.Happened
	allowed := scenarios.Observation{Probe: "d", Report: scenarios.Report{Outcome: scenarios.Allowed}}
	res := matrix.Result{Machines: []matrix.MachineRun{{Observations: []scenarios.Observation{denied("a", "other"), denied("b", "own"), done, allowed, forOther}}}}
	for want, probes := range map[string][]string{"by another": {"a"}, "not by another": {"a", "b"}, "denied and done": {"c"}, "allowed": {"a", "d"}, "not run": {"e"}, "by another, which checks another reason": {"a", "f"}} {
		if got := refusedAnyway(probes, res, "own", "reason"); (got != "") != (want == "by another") {
			t.Errorf("%s: %q", want, got)
		}
	}
	if got := refusedAnyway([]string{"a"}, res, "own", ""); got != "" {
		t.Errorf("the call's reason is not known: %q", got)
	}
	res.End = matrix.End{Ending: matrix.LostByGuest}
	if got := refusedAnyway([]string{"a"}, res, "own", "reason"); got != "" {
		t.Errorf("a lost guest: %q", got)
	}
}

// TestEquivalentClaims: each claim is about a call site that the table of sites
// has and a kind that exists, and a mutant that is killed refutes it.
func TestEquivalentClaims(t *testing.T) {
	list, err := kernels.EquivalentMutants()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !slices.Contains(matrix.MutantKinds(), matrix.MutantKind(e.Kind)) || e.Why == "" || !strings.Contains(e.Site, ":") {
			t.Errorf("%+v: no such kind, or no reason", e)
		}
	}
	for was, want := range map[matrix.Status]matrix.Status{matrix.Survived: matrix.Equivalent, matrix.Killed: matrix.MutantError, matrix.NotCovered: matrix.NotCovered} {
		m := matrix.Mutant{Status: was}
		if judgeClaim(&m, "why"); m.Status != want {
			t.Errorf("%s: %s, want %s", was, m.Status, want)
		}
	}
}

// TestMutantsOfAKernel chooses mutants of a kernel with one call site.
func TestMutantsOfAKernel(t *testing.T) {
	p := mustPlan(t, plan.ForSites(plan.Selection{Arches: []string{"x86_64"}, Probes: []string{"devmem/open"}}))
	k := &kernel{build: p.Builds[0], host: tcg, sites: lockdown.Sites{Present: []lockdown.Site{openPort}}}
	named := func(choice MutantChoice) (list []string) {
		for _, x := range newBaseline(k, nil, choice, nil).mutants {
			text := x.Command()
			if x.aux {
				text += " (not asked for)"
			}
			list = append(list, text)
		}
		return list
	}
	if all := named(MutantChoice{}); len(all) != len(matrix.MutantKinds())-1 { // all but those of the source
		t.Errorf("all kinds: %q", all)
	}
	site := openPort.Name
	for _, tc := range []struct {
		kind matrix.MutantKind
		want []string
	}{
		{matrix.Deny, []string{"deny " + site}},
		{matrix.AsSame, []string{"as=/dev/efi_test_access " + site}},
		{matrix.AsOther, []string{"as=/proc/kcore_access " + site}},
		{matrix.Once, []string{"once " + site, "omit " + site + " (not asked for)"}},
		{matrix.NeverLocked, []string{"lost=/dev/mem,kmem,port"}},
	} {
		if got := named(MutantChoice{Kinds: []matrix.MutantKind{tc.kind}}); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.kind, got, tc.want)
		}
	}
	if r := lockdown.KernelReasons(nil).Another("no_such_reason", true); r != "" {
		t.Errorf("another reason than one that is not known: %s", r)
	}
	few := lockdown.KernelReasons{{Reason: "dev_mem", Level: lockdown.Integrity}, {Reason: "msr", Level: lockdown.Integrity}}
	if r := few.Another("dev_mem", true); r != "msr" {
		t.Errorf("another reason that the kernel has: %q", r)
	}
}

// A copy of a call that no probe reaches is not reached, and says so.
func TestCopied(t *testing.T) {
	site := func(name string, line int) lockdown.Site {
		return lockdown.Site{Name: name, File: "a.c", Function: "f", Line: line}
	}
	base := &baseline{k: &kernel{sites: lockdown.Sites{Present: []lockdown.Site{site("f+0x1", 7), site("g+0x1", 7), site("h+0x1", 8)}}}}
	of := func(name string, probes ...string) mutant {
		x := mutant{Mutant: matrix.Mutant{Kind: matrix.Omit, Site: name}}
		x.job.probes = probes
		return x
	}
	base.mutants = []mutant{of("f+0x1", "p"), of("g+0x1"), of("h+0x1")}
	for name, want := range map[string]bool{"f+0x1": false, "g+0x1": true, "h+0x1": false, "": false} {
		if got := base.copied(matrix.Mutant{Kind: matrix.Omit, Site: name}); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if base.copied(matrix.Mutant{Kind: matrix.Deny, Site: "g+0x1"}) {
		t.Error("another kind of mutant counts")
	}
}
