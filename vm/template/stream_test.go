package template

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// The tests of this file need no QEMU: fakes play it, all of which refuse plain
// files as QEMU 11 does.

func TestThroughPipes(t *testing.T) {
	for _, kind := range []string{fakeGood, fakeWhole} {
		t.Run(kind, func(t *testing.T) {
			vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
				c, dir := fakeConfig(t, a, kind)
				for _, booted := range []bool{true, false} {
					tpl, got := cached(t, c, filepath.Join(dir, "cache"))
					if got != booted {
						t.Errorf("booted %v, want %v", got, booted)
					}
					if got := sum(t, tpl.snapshot.state); got != sumOf(fakeState) {
						t.Errorf("the state that was kept is not the one that QEMU wrote")
					}
					for range 2 {
						fork(t, tpl, c)
					}
				}
			})
		})
	}
}

// TestCannotFork: QEMU's message is in the error, and a boot may be tried.
func TestCannotFork(t *testing.T) {
	for kind, want := range map[string]string{
		fakeRefuses: "run migrate: State blocked by non-migratable device",
		fakeDies:    "qemu-killed: signal: killed",
		fakeBadLoad: "load machine: qemu-failed: exit status 1: qemu: load of migration failed",
	} {
		t.Run(kind, func(t *testing.T) {
			c, _ := fakeConfig(t, arch.All()[0], kind)
			err := makeAndFork(t, t.Context(), c)
			if !errors.Is(err, ErrCannotFork) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestCheck: it starts QEMU twice, runs no guest, and repeats QEMU's message.
func TestCheck(t *testing.T) {
	for kind, want := range map[string]string{
		fakeGood: "", fakeWhole: "",
		fakeRefuses: "State blocked by non-migratable device",
		fakeBadLoad: "load of migration failed",
	} {
		t.Run(kind, func(t *testing.T) {
			vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
				c, dir := fakeConfig(t, a, kind)
				err := Check(t.Context(), c, dir)
				if want == "" && err != nil || want != "" && (!errors.Is(err, ErrCannotFork) || !strings.Contains(err.Error(), want)) {
					t.Errorf("got %v, want %q", err, want)
				}
				// A QEMU that can fork is remembered, one that cannot is tried again.
				before := starts(dir)
				if again := Check(t.Context(), c, dir); (again == nil) != (err == nil) || (starts(dir) == before) != (err == nil) {
					t.Errorf("again: %v; %d starts, then %d", again, before, starts(dir))
				}
				if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		})
	}
	c, _ := fakeConfig(t, arch.All()[0], fakeHalfDead)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Check(ctx, c, ""); !errors.Is(err, context.Canceled) || errors.Is(err, ErrCannotFork) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestMoveEndsWithContext: a QEMU that does nothing is given up.
func TestMoveEndsWithContext(t *testing.T) {
	for _, kind := range []string{fakeDeaf, fakeHalfDead} {
		t.Run(kind, func(t *testing.T) {
			c, _ := fakeConfig(t, arch.All()[0], kind)
			starts := 1
			if kind == fakeDeaf {
				starts = 2
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				awaitStarts(t, filepath.Dir(c.QEMU), starts)
				cancel()
			}()
			if err := makeAndFork(t, ctx, c); !errors.Is(err, context.Canceled) || errors.Is(err, ErrCannotFork) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// makeAndFork makes a template and forks it once; the error is either's.
func makeAndFork(t *testing.T, ctx context.Context, c vm.Config) error {
	t.Helper()
	tpl, err := Make(ctx, c, "", nil)
	if err == nil {
		var m *vm.Machine
		m, err = tpl.Fork(ctx, c)
		if err == nil {
			m.Close(context.Background())
		}
		tpl.Close()
	}
	if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return err
}

// starts is how often the fake was started.
func starts(dir string) int {
	b, _ := os.ReadFile(filepath.Join(dir, "starts"))
	return strings.Count(string(b), "\n")
}

// awaitStarts waits until the fake was started so often, and returns the last
// one's process id.
func awaitStarts(t *testing.T, dir string, n int) int {
	for t.Context().Err() == nil {
		b, _ := os.ReadFile(filepath.Join(dir, "starts"))
		if lines := strings.Fields(string(b)); len(lines) >= n && strings.HasSuffix(string(b), "\n") {
			pid, _ := strconv.Atoi(lines[n-1])
			return pid
		}
		time.Sleep(time.Millisecond)
	}
	return 0
}

// TestCloseEndsStandBy: Close does not wait for the greeting of a QEMU that was
// started ahead and hangs.
func TestCloseEndsStandBy(t *testing.T) {
	c, dir := fakeConfig(t, arch.All()[0], fakeHangs)
	c.Pace = pace.New(pace.Ceiling) // the limit for a greeting is 10 s times that
	tpl := makeTemplateFor(t, c, "")
	tpl.StandBy()
	m, err := tpl.Fork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	pid := awaitStarts(t, dir, 3)
	began := time.Now()
	if err := tpl.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Duration(pace.Ceiling*9*float64(time.Second)) {
		t.Errorf("Close took %v", took)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("what stood by runs on")
	}
}

// A countingContext never ends, and counts the functions that wait for its end.
type countingContext struct {
	context.Context
	done    chan struct{}
	waiting atomic.Int64
}

func (c *countingContext) Done() <-chan struct{} { return c.done }
func (c *countingContext) Err() error            { return nil }

// AfterFunc is called by context.AfterFunc and context.WithCancel.
func (c *countingContext) AfterFunc(func()) func() bool {
	c.waiting.Add(1)
	return sync.OnceValue(func() bool { c.waiting.Add(-1); return true })
}

// TestAdopted: forks from a QEMU that stood by leave nothing with the context.
func TestAdopted(t *testing.T) {
	c, _ := fakeConfig(t, arch.All()[0], fakeGood)
	tpl := makeTemplateFor(t, c, "")
	tpl.StandBy()
	ctx := &countingContext{Context: t.Context(), done: make(chan struct{})}
	for range 4 {
		m, err := tpl.Fork(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		tpl.standby.work.Wait()
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := ctx.waiting.Load(); n > 0 {
		t.Errorf("%d functions wait for the end of the context", n)
	}
}

// TestSink: what QEMU writes is bounded, and a QEMU that writes more is not left
// waiting for a reader.
func TestSink(t *testing.T) {
	for _, n := range []int{0, 1, 5000, 1 << 20, 1<<20 + 1} {
		to, err := newMemory("state", 0)
		if err != nil {
			t.Fatal(err)
		}
		s, theirs, err := newSink(to, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := theirs.Write(make([]byte, n))
		for writeErr == nil && n > 1<<20 {
			_, writeErr = theirs.Write(make([]byte, 1))
		}
		theirs.Close()
		<-s.done
		if tooLong := n > 1<<20; (s.err != nil) != tooLong || tooLong != errors.Is(writeErr, syscall.EPIPE) {
			t.Errorf("%d bytes: %v; the writer got %v", n, s.err, writeErr)
		}
		if got, _ := size(to); s.err == nil && got != int64(n) {
			t.Errorf("%d of %d bytes arrived", got, n)
		}
		s.close()
		to.Close()
	}
}

// TestSource: a reader that goes away ends a source, one that never reads does
// when the source is closed.
func TestSource(t *testing.T) {
	from, err := newMemoryOf("state", fakeState)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for name, read := range map[string]func(r *os.File) (int64, error){
		"all":  func(r *os.File) (int64, error) { return io.Copy(io.Discard, r) },
		"half": func(r *os.File) (int64, error) { return io.CopyN(io.Discard, r, int64(len(fakeState)/2)) },
		"none": func(r *os.File) (int64, error) { return 0, nil },
	} {
		r, w, err := newPipe()
		if err != nil {
			t.Fatal(err)
		}
		s := newSource(w, from)
		n, err := read(r)
		if name == "all" {
			<-s.done
			if n != int64(len(fakeState)) {
				t.Errorf("read %d of %d bytes", n, len(fakeState))
			}
		}
		if err := errors.Join(err, s.close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
	}
}

// TestSettleTime: a guest settles for as long on a slow host as on a fast one.
func TestSettleTime(t *testing.T) {
	for _, a := range arch.All() {
		c, _ := fakeConfig(t, a, fakeGood)
		c.Scale, c.Pace = 0, pace.New(5)
		c, err := c.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		want := time.Duration(a.Scale * float64(settleBeforeSave))
		if got := settleTime(c); c.Scale != 5*a.Scale || got != want {
			t.Errorf("%s: scale %v, settles for %v, want %v", a.Name, c.Scale, got, want)
		}
		if c.Scale = 0.01; settleTime(c) != settleBeforeSave/100 {
			t.Errorf("%s: a smaller scale: %v", a.Name, settleTime(c))
		}
	}
}
