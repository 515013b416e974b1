package template

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// The tests of this file boot real machines, and have something go wrong.

// TestForkEnds: a fork ends as a boot does, and its end is told as well.
func TestForkEnds(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		tpl := makeTemplateFor(t, c, "")
		for how, want := range map[string]vm.Cause{"panic": vm.Panicked, "reboot": vm.Reset} {
			m := fork(t, tpl, c)
			command(t, connect(t, m), how)
			if end := m.Wait(t.Context()); end.Cause != want {
				t.Errorf("%s: %v", how, end)
			}
		}
	})
}

// TestKilledWhileSaving: QEMU dies in the middle of it.
func TestKilledWhileSaving(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c, err := guestConfig(t, a, "serve").Resolve()
		if err != nil {
			t.Fatal(err)
		}
		s, m := ready(t, c)
		syscall.Kill(m.Pid(), syscall.SIGSTOP)
		go syscall.Kill(-m.Pid(), syscall.SIGKILL) // it stands still, so any time is in the middle
		if err := m.save(t.Context(), &s); err == nil || !strings.Contains(err.Error(), "qemu-killed: signal: killed") {
			t.Errorf("save: %v", err)
		}
		checkClose(t, m.Machine, c.Dir)
	})
}

// TestBadState: a state that QEMU does not load is an error with its reason,
// and a boot is worth trying.
func TestBadState(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		tpl := makeTemplateFor(t, c, "")
		for name, content := range map[string][]byte{
			"garbage": []byte(strings.Repeat("garbage", 1000)), "half": head(t, tpl.snapshot.state, 2), "empty": {},
		} {
			bad, err := newMemoryOf("state", content)
			if err != nil {
				t.Fatal(err)
			}
			good := tpl.snapshot.state
			tpl.snapshot.state = bad
			_, err = tpl.Fork(t.Context(), c)
			if !errors.Is(err, ErrCannotFork) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", name, err)
			}
			t.Log(err)
			tpl.snapshot.state = good
			bad.Close()
			if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
				t.Errorf("%s: left behind: %v", name, left)
			}
		}
	})
}

// head is the first part of a file.
func head(t *testing.T, f *os.File, part int) []byte {
	t.Helper()
	b, err := os.ReadFile(fdPath(int(f.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)/part]
}

// TestBadTemplates: guests that never get ready are no templates.
func TestBadTemplates(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "panic")
		cache := t.TempDir()
		_, err := Make(t.Context(), c, cache, nil)
		var guest *vm.GuestError
		if !errors.As(err, &guest) || guest.End.Cause != vm.Panicked {
			t.Errorf("panic: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.Append, c.Console = []string{"ldlab.test=silent"}, cancelOn(cancel)
		if _, err = Make(ctx, c, cache, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancel: %v", err)
		}
		for _, pattern := range []string{c.Dir + "/*", cache + "/templates/*", cache + "/tmp/*"} {
			if left, _ := filepath.Glob(pattern); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
}

// cancelOn is a Config.Console that ends a context when the guest writes to it.
type cancelOn context.CancelFunc

func (c cancelOn) Write(b []byte) (int, error) {
	c()
	return len(b), nil
}

// TestForkConfig: a template is forked for what it was made of, or not at all.
func TestForkConfig(t *testing.T) {
	a := arch.All()[0]
	c := guestConfig(t, a, "serve")
	initrd := filepath.Join(t.TempDir(), "initrd")
	if out, err := exec.Command("cp", c.Initrd, initrd).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	c.Initrd = initrd
	tpl := makeTemplateFor(t, c, "")
	other := c
	other.Append = append([]string{"lockdown=integrity"}, c.Append...)
	if _, err := tpl.Fork(t.Context(), other); err == nil || errors.Is(err, ErrCannotFork) || !strings.Contains(err.Error(), "lockdown=integrity") {
		t.Errorf("other arguments: %v", err)
	}
	other = c
	other.MemoryMiB = 128
	if _, err := tpl.Fork(t.Context(), other); err == nil || !strings.Contains(err.Error(), `config has "128" where the template has "256"`) {
		t.Errorf("other memory: %v", err)
	}
	if err := os.Chtimes(initrd, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Fork(t.Context(), c); !errors.Is(err, ErrCannotFork) || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("other initrd: %v", err)
	}
}
