package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// Every probe runs in one portion, in order; no portion waits much longer than another.
func TestPortions(t *testing.T) {
	for _, text := range []string{"none", "integrity@boot", "integrity@runtime", "confidentiality@boot", "confidentiality@runtime", "msr@runtime"} {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		g := matrix.Guest{Kernel: "k", Arch: "x86_64", Setting: s}
		p := mustPlan(t, plan.Selection{Kernels: []string{"bare"}, Arches: []string{"x86_64"}, Settings: []string{"integrity@boot"}})
		all := partsOf(p.Probes, arch.Get("x86_64"))
		list := portions(g, all[0], 1)
		var probes []string
		most, total := 0, 0
		for i, part := range list {
			n := 0
			for _, id := range part.probes {
				n += weight(g, id)
			}
			most, total = max(most, n), total+n
			probes = append(probes, part.probes...)
			if (part.name == "") != (i == 0) || len(part.probes) == 0 {
				t.Errorf("%s: portion %d is %q with %d probes", text, i, part.name, len(part.probes))
			}
		}
		if !slices.Equal(probes, all[0].probes) {
			t.Errorf("%s: the portions have %d probes, and the part %d", text, len(probes), len(all[0].probes))
		}
		if len(list) > 1 && most > 2*total/len(list) {
			t.Errorf("%s: a portion weighs %d of %d, and there are %d portions", text, most, total, len(list))
		}
		if got := len(portions(g, all[0], 3)); got < 3 {
			t.Errorf("%s: %d portions for three processors", text, got)
		}
		if locked := len(s.Reasons) == 0 && s.Level != lockdown.None; locked != (len(list) > 1) {
			t.Errorf("%s: %d portions", text, len(list))
		}
	}
}

// On a kernel that does not count, machines run at once, and the result is the same as
// one after the other; after a bad end no further machine begins on one that counts.
func TestMachinesAtOnce(t *testing.T) {
	k := &kernel{build: plan.Build{Arch: arch.Get("x86_64")}}
	counting := &kernel{build: k.build, sites: lockdown.Sites{Present: []lockdown.Site{{Name: "f", File: "f.c"}}}}
	called := &kernel{build: k.build, sites: lockdown.Sites{Present: []lockdown.Site{{Name: "f"}}}}
	for _, c := range []struct {
		name   string
		k      *kernel
		atOnce bool
	}{{"it does not count", k, true}, {"its calls are known, and it does not count", called, true}, {"it counts", counting, false}} {
		var now, most atomic.Int32
		s := &Stage{runMachine: func(_, _ context.Context, _ *kernel, _ job, p part) (matrix.MachineRun, matrix.End) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(10 * time.Millisecond)
			run := matrix.MachineRun{Profile: p.name}
			if p.name == "c" {
				return run, matrix.End{Ending: matrix.LostByGuest, Cause: "panic"}
			}
			return run, matrix.End{}
		}}
		parts := []part{{name: ""}, {name: "a"}, {name: "b"}}
		runs, end := s.machines(t.Context(), t.Context(), c.k, job{}, parts)
		if len(runs) != 3 || runs[0].Profile != "" || runs[2].Profile != "b" || !end.Well() {
			t.Errorf("%s: %+v, %v", c.name, runs, end)
		}
		if (most.Load() > 1) != c.atOnce {
			t.Errorf("%s: %d machines at once", c.name, most.Load())
		}
		runs, end = s.machines(t.Context(), t.Context(), c.k, job{}, append([]part{{name: "c"}}, parts...))
		if !end.Lost() || !c.atOnce && len(runs) != 1 {
			t.Errorf("%s: after a lost machine: %d runs, %v", c.name, len(runs), end)
		}
	}
}

// TestShareBoots: of a kernel that does not count, machines of one profile are copies of
// one that is locked at boot; a profile with one machine, a kernel that counts, a lock at
// run time and --boot share none.
func TestShareBoots(t *testing.T) {
	for _, c := range []struct {
		name, setting string
		sites         lockdown.Sites
		options       Options
		boots         bool
		want          int
	}{
		{"it does not count", "integrity@boot", lockdown.Sites{}, Options{}, false, 2},
		{"it counts", "integrity@boot", counting, Options{}, false, 0},
		{"at run time", "integrity@runtime", lockdown.Sites{}, Options{}, false, 0},
		{"--boot", "integrity@boot", lockdown.Sites{}, Options{Boot: true}, false, 0},
		{"QEMU cannot fork", "integrity@boot", lockdown.Sites{}, Options{}, true, 0},
	} {
		s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}, Settings: []string{c.setting}}), c.options)
		s.boots["x86_64"] = c.boots
		k := &kernel{build: s.plan.Builds[0], host: tcg, sites: c.sites}
		var mu sync.Mutex
		made := 0
		s.ownTemplate = func(_ context.Context, config vm.Config) (*template.Template, error) {
			mu.Lock()
			defer mu.Unlock()
			made++
			if !slices.Contains(config.Append, "lockdown=integrity") {
				t.Errorf("%s: it is not locked: %q", c.name, config.Append)
			}
			return &template.Template{}, nil
		}
		parts := []part{{name: ""}, {name: " 2 of 2", probes: []string{"a", "b"}}, {name: "tables"}, {name: "held"}, {name: "held x"}}
		for i := range parts {
			parts[i].profile = plain
		}
		s.shareBoots(t.Context(), k, s.plan.Guests[1], parts)
		if made != c.want || (parts[1].booted != nil) != (c.want > 0) || parts[2].booted != nil || c.want > 0 && (parts[0].workers != 2 || parts[0].booted != parts[1].booted || parts[0].booted == parts[3].booted) {
			t.Errorf("%s: %d machines booted, %+v", c.name, made, parts)
		}
		s.Close()
	}
}

// A guest that does not boot for its own copies is lost by its own fault. If the host is
// to blame, its machines boot instead.
func TestShareBootsFails(t *testing.T) {
	for cause, lost := range map[vm.Cause]bool{vm.Panicked: true, vm.Hung: true, vm.QEMUKilled: false} {
		s := newStage(mustPlan(t, plan.Selection{Kernels: []string{"bare"}, Arches: []string{"x86_64"}, Settings: []string{"integrity@boot"}}), Options{})
		build := s.plan.Builds[0]
		s.kernels[keyOf(build)] = &kernel{build: build, host: tcg}
		s.makeTemplate = nil
		s.ownTemplate = func(context.Context, vm.Config) (*template.Template, error) {
			return nil, fmt.Errorf("make template: %w", &vm.GuestError{Stage: "the guest program", End: vm.End{Cause: cause, Detail: "detail", Console: []string{"last words"}}, Err: io.EOF})
		}
		var ran atomic.Int32
		s.runMachine = func(_, _ context.Context, _ *kernel, _ job, p part) (matrix.MachineRun, matrix.End) {
			ran.Add(1)
			return matrix.MachineRun{Profile: p.name}, matrix.End{}
		}
		res := s.guest(t.Context(), job{guest: s.plan.Guests[1], probes: s.plan.Probes, try: 1})
		if res.End.Lost() != lost || (ran.Load() == 0) != lost || lost && (res.End.Cause != string(cause) || len(res.End.Console) != 1) {
			t.Errorf("%s: %+v, and %d machines ran", cause, res.End, ran.Load())
		}
		s.Close()
	}
}
