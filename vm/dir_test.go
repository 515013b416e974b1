package vm

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSweep(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "deep", "er")
	if err := Sweep(parent); err != nil {
		t.Fatalf("sweep of nothing: %v", err)
	}
	dirs := map[string]*machineDir{}
	for _, name := range []string{"alive", "dead", "kept", "removed"} {
		d, err := newDir(parent)
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
	if err := Sweep(parent); err != nil {
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
	parent := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				if err := Sweep(parent); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 100 {
				d, err := newDir(parent)
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
	if _, err := newDir(file); err == nil || !strings.HasPrefix(err.Error(), "make directory: ") {
		t.Errorf("got %v", err)
	}
}
