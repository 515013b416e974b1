package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSweep(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "deep", "er")
	if err := Sweep(t.Context(), parent); err != nil {
		t.Fatalf("sweep of nothing: %v", err)
	}
	dirs := map[string]*machineDir{}
	for _, name := range []string{"alive", "dead", "kept", "removed"} {
		d, err := newDir(t.Context(), parent)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.file(consoleFile), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		dirs[name] = d
	}
	dirs["dead"].lock.Close() // what the kernel does for a lab that was killed
	if err := dirs["kept"].close(true); err != nil {
		t.Fatal(err)
	}
	if err := dirs["removed"].close(false); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(parent, "someone else's")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dirs["alive"].path: true, dirs["dead"].path: false, dirs["kept"].path: true, dirs["removed"].path: false, foreign: true,
	} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", path, err == nil, want)
		}
	}
	if err := dirs["alive"].close(false); err != nil {
		t.Error(err)
	}
}

// TestSweepRace: no sweep ever takes a directory that is being made.
func TestSweepRace(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "machines")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				if err := Sweep(t.Context(), parent); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 100 {
				d, err := newDir(t.Context(), parent)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(d.file(consoleFile), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := d.close(false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestNewDirUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := newDir(t.Context(), path); err == nil || !strings.Contains(err.Error(), "directory") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// TestParentNotOurs: neither Sweep nor newDir trusts a directory that somebody
// else may have prepared.
func TestParentNotOurs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, parent, victim string)
		want    string
	}{
		{"symlink", func(t *testing.T, parent, victim string) {
			if err := os.Symlink(victim, parent); err != nil {
				t.Fatal(err)
			}
		}, "a symlink"},
		{"open to the group", func(t *testing.T, parent, victim string) { moveTo(t, victim, parent, 0o770) }, "0770"},
		{"open to others", func(t *testing.T, parent, victim string) { moveTo(t, victim, parent, 0o701) }, "0701"},
		{"of another user", func(t *testing.T, parent, victim string) {
			moveTo(t, victim, parent, 0o700)
			if err := os.Chown(parent, 12345, -1); err != nil {
				t.Skip("needs root: ", err)
			}
		}, "belongs to user 12345"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			parent, victim := filepath.Join(top, "parent"), filepath.Join(top, "victim")
			precious := filepath.Join(dirPrefix+"x", "precious")
			if err := os.MkdirAll(filepath.Join(victim, dirPrefix+"x"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(victim, precious), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t, parent, victim)
			if err := Sweep(t.Context(), parent); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("sweep: %v, want %q", err, tt.want)
			}
			if d, err := newDir(t.Context(), parent); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("new directory: %v, %v, want %q", d, err, tt.want)
			}
			if _, err := os.Stat(filepath.Join(parent, precious)); err != nil {
				t.Errorf("a file was removed: %v", err)
			}
		})
	}
}

func moveTo(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

// TestSweepStaysInside: a machine's directory that is a symlink leads nowhere.
func TestSweepStaysInside(t *testing.T) {
	top := t.TempDir()
	victim, parent := filepath.Join(top, "victim"), filepath.Join(top, "parent")
	for _, dir := range []string{victim, parent} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(victim, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(parent, dirPrefix+"link")); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestLockEndsWithContext: somebody who keeps the parent's lock does not keep
// the lab beyond its context.
func TestLockEndsWithContext(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "machines")
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := openParent(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	lock, err := tryLock(root, ".", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("that is enough"))
	for name, f := range map[string]func() error{
		"newDir": func() error { _, err := newDir(ctx, parent); return err },
		"Sweep":  func() error { return Sweep(ctx, parent) },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "that is enough") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
