package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/patchset"
)

func quiet(progress.Event) {}

// write makes files under a directory.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A state that cannot be read is not taken for one that is absent: files that a
// series changed would stay as they are. A damaged one starts the tree anew.
func TestState(t *testing.T) {
	origin, dir := t.TempDir(), t.TempDir()
	write(t, origin, map[string]string{"a.c": "a\n"})
	reopen := func() (*WorkTree, error) {
		return OpenTree(context.Background(), dir, Origin{Root: origin, SHA256: "0"}, quiet)
	}
	w, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.Source(), map[string]string{"b.c": "patched\n"})
	w.State.Overlaid = []string{"b.c"}
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}
	if w, err = reopen(); err != nil || len(w.State.Overlaid) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	state := filepath.Join(dir, "state.json")
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o755); err != nil { // reading it is an error for root, too
		t.Fatal(err)
	}
	if _, err := reopen(); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("an unreadable state: %v", err)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"state.json": "junk"})
	if w, err = reopen(); err != nil || len(w.State.Overlaid) != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	if _, err := os.Stat(filepath.Join(w.Source(), "b.c")); err == nil {
		t.Error("what a lost state knew of is still there")
	}
}

// TestSyncStaysInside: a file is written and removed through no link that leads out of
// the tree, even if the overlay was made of a tree without it.
func TestSyncStaysInside(t *testing.T) {
	for _, text := range []string{
		"--- /dev/null\n+++ b/link/evil\n@@ -0,0 +1 @@\n+x\n",
		"--- a/link/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n",
	} {
		outside, origin := t.TempDir(), t.TempDir()
		write(t, origin, map[string]string{"link/f": "1\n"})
		write(t, outside, map[string]string{"f": "1\n"})
		w, err := OpenTree(context.Background(), t.TempDir(), Origin{Root: origin, SHA256: "0"}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		s, err := patchset.Read("1.patch", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		o := patchset.NewOverlay(os.DirFS(origin), BuildDir)
		if err := o.Apply(s); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(w.Source(), "link")
		if err := os.RemoveAll(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(o); err == nil || !strings.Contains(err.Error(), "patch link/") {
			t.Errorf("%s: %v", text, err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
			t.Errorf("%s: outside are %v, %v", text, list, err)
		}
	}
}

// The first error is the same each time: that of the first file by name.
func TestSyncOrder(t *testing.T) {
	for range 20 {
		root, dir := t.TempDir(), t.TempDir()
		write(t, root, map[string]string{"Makefile": "VERSION = 6\nPATCHLEVEL = 12\n", "Kconfig": "", "a": "1", "b": "1", "c": "1", "d": "1"})
		c := Cache{Store: open(t), Events: quiet}
		o, err := c.Get(context.Background(), Source{Kind: Dir, Name: root})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := OpenTree(context.Background(), dir, o, quiet); err == nil || !strings.Contains(err.Error(), "copy source a: ") {
			t.Fatal(err)
		}
	}
}
