package engine

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// TestDeadlineOfAGuest: all machines of a guest share one deadline, which does
// not run while the guest's template is made.
func TestDeadlineOfAGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@runtime"}}), Options{Timeout: limit})
		defer s.Close()
		build := s.plan.Builds[0]
		// It counts, so that its machines run one after the other.
		s.kernels[keyOf(build)] = &kernel{build: build, host: tcg, sites: lockdown.Sites{Present: []lockdown.Site{{Name: "f", File: "f.c"}}}}
		templates := 0
		s.makeTemplate = func(context.Context, *kernel, part, vm.Config) *template.Template {
			templates++
			time.Sleep(time.Hour) // a cold cache on a slow machine
			return nil
		}
		var left []time.Duration
		s.runMachine = func(_, talking context.Context, _ *kernel, _ job, p part) (matrix.MachineRun, matrix.End) {
			end, ok := talking.Deadline()
			if !ok {
				t.Error("no deadline")
			}
			left = append(left, time.Until(end))
			time.Sleep(limit / 10)
			return matrix.MachineRun{Profile: p.name}, matrix.End{}
		}
		res := s.guest(t.Context(), job{guest: s.plan.Guests[1], probes: s.plan.Probes, try: 1})
		if templates == 0 || len(left) < 2 || len(res.Machines) != len(left) {
			t.Fatalf("%d templates, %d machines: this guest should have several", templates, len(left))
		}
		for i, d := range left {
			if want := limit - time.Duration(i)*limit/10; d != want {
				t.Errorf("machine %d has %s left, want %s", i+1, d, want)
			}
		}
	})
}

// TestLostOrFailed maps each end of QEMU to who is to blame.
func TestLostOrFailed(t *testing.T) {
	for cause, want := range map[vm.Cause]matrix.Ending{
		vm.Panicked: matrix.LostByGuest, vm.Reset: matrix.LostByGuest, vm.Hung: matrix.LostByGuest, vm.Garbled: matrix.LostByGuest,
		vm.PoweredOff: matrix.LostByGuest, vm.Stopped: matrix.FailedByLab, vm.QEMUFailed: matrix.FailedByLab, vm.QEMUKilled: matrix.FailedByLab,
	} {
		if got := lost(vm.End{Cause: cause, Detail: "detail"}, context.DeadlineExceeded, "qemu"); got.Ending != want || got.Cause != string(cause) || got.Command != "qemu" {
			t.Errorf("%s: %+v, want %s", cause, got, want)
		}
	}
}

// TestLostDetailIsNotTwice: the line of a lost guest has the detail of QEMU once.
func TestLostDetailIsNotTwice(t *testing.T) {
	for cause, want := range map[string]string{"no answer": "no answer; silent", "wait: hang: silent": "wait: hang: silent"} {
		if got := lost(vm.End{Cause: vm.Hung, Detail: "silent"}, errors.New(cause), "qemu").Detail; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := lost(vm.End{Cause: vm.Reset}, errors.New("no answer"), "qemu").Detail; got != "no answer" {
		t.Errorf("without a detail: %q", got)
	}
}

// TestConsoleNames: each try and each machine has a file of its own.
func TestConsoleNames(t *testing.T) {
	p := mustPlan(t, plan.Selection{Arches: []string{"x86_64"}})
	seen := map[string]bool{}
	for _, g := range p.Guests {
		for _, m := range []mutation{{}, {command: "allow f+0x1/0x2"}} {
			for try := 1; try <= 2; try++ {
				for _, part := range partsOf(p.Probes, p.Builds[0].Arch) {
					name := consoleName(job{guest: g, mutant: m, try: try}, part)
					if seen[name] {
						t.Fatalf("%s twice", name)
					}
					seen[name] = true
				}
			}
		}
	}
}

// TestConsoleNamesOfAnyKernel: a name has no character that GitHub or a file system
// refuses, whatever the kernel is called, and the same name twice gives two files.
func TestConsoleNamesOfAnyKernel(t *testing.T) {
	name := consoleName(job{guest: matrix.Guest{Kernel: "debian:6.1-cloud", Arch: "x86_64"}, try: 1}, part{name: "a<b>|*?\"\\\r\n\x00é"})
	if dir, base := filepath.Split(name); dir != "consoles/" || !strings.HasPrefix(base, "debian-6.1-cloud-x86_64") || strings.ContainsAny(base, ":<>|*?\"\\/\r\n\x00é") {
		t.Errorf("%q", name)
	}
	out := t.TempDir()
	first, err := results.WriteNew(out, name, nil)
	second, err2 := results.WriteNew(out, name, nil)
	if err != nil || err2 != nil || first == second {
		t.Errorf("%v, %v: %q and %q", err, err2, first, second)
	}
}

// TestPlainMachine: the machine of a shell is that of every guest.
func TestPlainMachine(t *testing.T) {
	p := mustPlan(t, plan.Selection{Arches: []string{"x86_64"}})
	k := &kernel{build: p.Builds[0], host: tcg}
	s := newStage(p, Options{})
	defer s.Close()
	shell, guest := s.config(k, p.Guests[0], part{profile: plain}), s.config(k, p.Guests[0], partsOf(nil, p.Builds[0].Arch)[0])
	if len(shell.Devices) == 0 || !reflect.DeepEqual(shell.Devices, guest.Devices) {
		t.Errorf("a shell's machine has %v, a guest's %v", shell.Devices, guest.Devices)
	}
}
