package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
	"golang.org/x/crypto/ssh"
)

// The tests of this file boot real machines, and fork them.

func makeTemplateFor(t *testing.T, c vm.Config, cacheDir string) *Template {
	t.Helper()
	tpl, err := Make(t.Context(), c, cacheDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tpl.Close() })
	if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return tpl
}

func fork(t *testing.T, tpl *Template, c vm.Config) *vm.Machine {
	t.Helper()
	c.Dir = filepath.Join(t.TempDir(), "machines")
	m, err := tpl.Fork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkClose(t, m, c.Dir) })
	return m
}

// ask runs a command in the guest and returns its output.
func ask(t *testing.T, client *ssh.Client, command string) string {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Output(command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSpace(string(out))
}

// clockIsRight reports what is wrong with the clock of a fork that was started at began.
// The template's clock has stood still for as long as the first fork took.
func clockIsRight(t *testing.T, a *ssh.Client, began time.Time) error {
	t.Helper()
	ns, err := strconv.ParseInt(ask(t, a, "date"), 10, 64)
	// It may then be fast: on a slow host, an emulated kernel measures its clock wrongly.
	if now := time.Unix(0, ns); err != nil || now.Before(began) || now.After(time.Now().Add(time.Since(began))) {
		return fmt.Errorf("the fork's clock shows %v, %v; it was started at %v", now, err, began)
	}
	return nil
}

// TestFork: forks work, and have nothing in common but where they come from.
func TestFork(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		tpl := makeTemplateFor(t, c, "")
		t.Logf("made in %v: %+v", tpl.Took, tpl.Phases)
		var before [2]string
		for i, f := range []*os.File{tpl.snapshot.ram, tpl.snapshot.state} {
			before[i] = sum(t, f)
		}
		one := fork(t, tpl, c)
		a1 := connect(t, one)
		began := time.Now()
		two := fork(t, tpl, c)
		a2 := connect(t, two)
		for _, what := range []string{"uuid", "random"} {
			if x, y := ask(t, a1, what), ask(t, a2, what); x == y || x == "" {
				t.Errorf("%s is %q in both forks", what, x)
			}
		}
		if err := clockIsRight(t, a2, began); err != nil {
			// A kernel that is emulated on a busy host may have measured its clock wrongly
			// when the template booted. Then another template has another one.
			t.Log(err)
			tpl := makeTemplateFor(t, c, "")
			connect(t, fork(t, tpl, c))
			began := time.Now()
			if err := clockIsRight(t, connect(t, fork(t, tpl, c)), began); err != nil {
				t.Error(err)
			}
		}
		ask(t, a1, "put one")
		ask(t, a2, "put two")
		if x, y := ask(t, a1, "get"), ask(t, a2, "get"); x != "one" || y != "two" {
			t.Errorf("the forks read %q and %q", x, y)
		}
		if p := one.Phases(); p.Ready <= 0 || p.Login <= p.Ready {
			t.Errorf("phases %+v", p)
		}
		t.Logf("fork: %+v", two.Phases())
		for i, f := range []*os.File{tpl.snapshot.ram, tpl.snapshot.state} {
			if now := sum(t, f); now != before[i] {
				t.Errorf("%s changed", f.Name())
			}
		}
		if err := tpl.Close(); err != nil { // which the forks survive
			t.Error(err)
		}
		for _, m := range []*vm.Machine{one, two} {
			if end := m.PowerOff(t.Context()); end.Cause != vm.PoweredOff {
				t.Errorf("end: %v", end)
			}
		}
		if _, err := tpl.Fork(t.Context(), c); err == nil || errors.Is(err, ErrCannotFork) {
			t.Errorf("fork of a closed template: %v", err)
		}
	})
}

func sum(t *testing.T, f *os.File) string {
	t.Helper()
	s, _, err := cache.SumFile(fdPath(int(f.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStandBy: a QEMU that stands by becomes the next fork, which ends with its
// own context; one that died meanwhile does not matter, and Close ends the last.
func TestStandBy(t *testing.T) {
	a := arch.All()[0]
	c := guestConfig(t, a, "serve")
	c.Dir = filepath.Join(t.TempDir(), "machines")
	tpl := makeTemplateFor(t, c, "")
	tpl.StandBy()
	forkIt := func(ctx context.Context) *vm.Machine {
		t.Helper()
		m, err := tpl.Fork(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close(context.Background()) }) // others live in the same directory
		return m
	}
	standing := func() *vm.Machine {
		tpl.standby.work.Wait()
		tpl.standby.mu.Lock()
		defer tpl.standby.mu.Unlock()
		if tpl.standby.ready == nil {
			return nil
		}
		return tpl.standby.ready.Machine
	}
	first := forkIt(t.Context())
	stood := standing()
	if stood == nil || stood == first {
		t.Fatalf("after a fork %p stands by", stood)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	second := forkIt(ctx)
	if second != stood {
		t.Error("what stood by is not the next fork")
	}
	t.Logf("ready after %v, the first after %v", second.Phases().Ready, first.Phases().Ready)
	one, two := connect(t, first), connect(t, second)
	ask(t, one, "put one")
	ask(t, two, "put two")
	if x, y := ask(t, one, "get"), ask(t, two, "get"); x != "one" || y != "two" {
		t.Errorf("the forks read %q and %q", x, y)
	}
	cancel()
	if end := second.Wait(t.Context()); end.Cause != vm.Stopped {
		t.Errorf("end with the context: %v", end)
	}

	dead := standing()
	syscall.Kill(-dead.Pid(), syscall.SIGKILL)
	<-dead.Ended()
	third := forkIt(t.Context())
	if third == dead {
		t.Error("a dead QEMU was forked")
	}
	connect(t, third)
	last := standing()
	if err := tpl.Close(); err != nil {
		t.Error(err)
	}
	if last == nil {
		t.Fatal("nothing stands by at the end")
	}
	select {
	case <-last.Ended():
	default:
		t.Error("what stood by runs on")
	}
	if _, err := os.Stat(filepath.Dir(last.ConsolePath())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what stood by left its directory: %v", err)
	}
}

// TestForkWhole: where QEMU can't leave RAM out of the state.
func TestForkWhole(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c, err := guestConfig(t, a, "serve").Resolve()
		if err != nil {
			t.Fatal(err)
		}
		s, m := ready(t, c)
		s.whole = true
		if err := m.save(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		checkClose(t, m.Machine, c.Dir)
		if err := s.seal(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m, err := s.start(t.Context(), c)
			if err == nil {
				err = s.load(t.Context(), m)
			}
			if err != nil {
				t.Fatal(err)
			}
			ask(t, connect(t, m.Machine), "uuid")
			t.Logf("%+v", m.Phases())
			checkClose(t, m.Machine, c.Dir)
		}
	})
}

// ready boots a machine that is to be saved.
func ready(t *testing.T, c vm.Config) (snapshot, *machine) {
	t.Helper()
	s, err := newSnapshot(c.MemoryMiB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	m, err := startMachine(t.Context(), c, s.base(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	if err := m.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, m
}

// TestForkMany: 8 at once, all different.
func TestForkMany(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		tpl := makeTemplateFor(t, c, "")
		seen := map[string]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			m := fork(t, tpl, c)
			all.Go(func() {
				client, err := m.Connect(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				s, err := client.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				out, err := s.Output("uuid")
				mu.Lock()
				defer mu.Unlock()
				if err != nil || seen[string(out)] {
					t.Errorf("uuid %q again, or %v", out, err)
				}
				seen[string(out)] = true
			})
		}
		all.Wait()
	})
}

func BenchmarkFork(b *testing.B) {
	for _, a := range arch.All() {
		b.Run(a.Name, func(b *testing.B) {
			c := guestConfig(b, a, "serve")
			tpl, err := Make(b.Context(), c, "", nil)
			if err != nil {
				b.Fatal(err)
			}
			defer tpl.Close()
			var sum vm.Phases
			for b.Loop() {
				m, err := tpl.Fork(b.Context(), c)
				if err != nil {
					b.Fatal(err)
				}
				_, err = m.Connect(b.Context())
				if err := errors.Join(err, m.Close(b.Context())); err != nil {
					b.Fatal(err)
				}
				sum.Ready += m.Phases().Ready
				sum.Login += m.Phases().Login
			}
			b.ReportMetric(sum.Ready.Seconds()/float64(b.N), "s-to-ready")
			b.ReportMetric(sum.Login.Seconds()/float64(b.N), "s-to-login")
		})
	}
}
