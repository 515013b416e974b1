package template

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// The tests of this file boot real machines, to be found in a cache.

// cached makes a template by way of a cache and says whether it was booted.
func cached(t *testing.T, c vm.Config, dir string) (tpl *Template, booted bool) {
	t.Helper()
	tpl = makeTemplateFor(t, c, dir)
	return tpl, tpl.Phases.Ready > 0
}

// worksOnce logs in to a fork.
func worksOnce(t *testing.T, tpl *Template, c vm.Config) {
	t.Helper()
	ask(t, connect(t, fork(t, tpl, c)), "uuid")
}

func onlyTemplate(t *testing.T, dir string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(found) != 1 || !strings.HasSuffix(found[0], templateSuffix) {
		t.Fatalf("the cache has %v", found)
	}
	return found[0]
}

func TestTemplateCache(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		dir := filepath.Join(t.TempDir(), "templates")
		tpl, booted := cached(t, c, dir)
		if !booted || len(tpl.Notes) > 0 {
			t.Fatalf("booted %v, %v", booted, tpl.Notes)
		}
		path := onlyTemplate(t, dir)
		for _, tt := range []struct {
			name   string
			damage func() error
			notes  int
		}{
			{"none", func() error { return nil }, 0},
			{"truncated", func() error { return os.Truncate(path, 1<<20) }, 1},
			{"empty", func() error { return os.Truncate(path, 0) }, 1},
			{"RAM", func() error { return overwrite(path, "damage", 4<<20) }, 1},
			{"none again", func() error { return nil }, 0},
		} {
			if err := tt.damage(); err != nil {
				t.Fatal(err)
			}
			tpl, booted := cached(t, c, dir)
			if booted != (tt.notes > 0) || len(tpl.Notes) != tt.notes {
				t.Errorf("%s: booted %v, %v", tt.name, booted, tpl.Notes)
			}
			t.Logf("%s: %v %v", tt.name, tpl.Took, tpl.Notes)
			worksOnce(t, tpl, c)
			onlyTemplate(t, dir)
		}

		// Another QEMU, by its own account.
		script := "#!/bin/sh\n[ $1 = --version ] && exec echo QEMU emulator version 99\nexec " + a.QEMU + ` "$@"` + "\n"
		other := c
		other.QEMU = filepath.Join(t.TempDir(), "qemu")
		if err := os.WriteFile(other.QEMU, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		if tpl, booted := cached(t, other, dir); !booted || len(tpl.Notes) > 0 {
			t.Errorf("other QEMU: booted %v, %v", booted, tpl.Notes)
		}
	})
}

func overwrite(path, text string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte(text), at)
	return err
}

// TestTemplateSwapped: one architecture's template under the other's name.
func TestTemplateSwapped(t *testing.T) {
	t.Parallel()
	all := arch.All()
	x, y := guestConfig(t, all[0], "serve"), guestConfig(t, all[1], "serve")
	dirs := []string{t.TempDir(), t.TempDir()}
	cached(t, x, dirs[0])
	cached(t, y, dirs[1])
	if err := os.Rename(onlyTemplate(t, dirs[0]), onlyTemplate(t, dirs[1])); err != nil {
		t.Fatal(err)
	}
	tpl, booted := cached(t, y, dirs[1])
	if !booted || len(tpl.Notes) != 1 || !strings.Contains(tpl.Notes[0], `it is of "arch x86_64", not of "arch arm64"`) {
		t.Errorf("booted %v, %v", booted, tpl.Notes)
	}
	worksOnce(t, tpl, y)
}

// TestTemplateTwice: two labs make the same template at once.
func TestTemplateTwice(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		dir := t.TempDir()
		var boots [2]bool
		var all sync.WaitGroup
		for i := range boots {
			all.Go(func() {
				tpl, err := Make(t.Context(), c, dir)
				if err != nil {
					t.Error(err)
					return
				}
				boots[i] = tpl.Phases.Ready > 0
				if len(tpl.Notes) > 0 {
					t.Error(tpl.Notes)
				}
				tpl.Close()
			})
		}
		all.Wait()
		if boots[0] == boots[1] {
			t.Errorf("booted: %v", boots)
		}
		onlyTemplate(t, dir)
	})
}

// TestTemplateCacheFull: no room on the disk, or no right to use it.
func TestTemplateCacheFull(t *testing.T) {
	t.Parallel()
	a := arch.All()[0]
	c := guestConfig(t, a, "serve")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for cache, want := range map[string]string{dir: "no space left on device", file: "not a directory"} {
		tpl, booted := cached(t, c, cache)
		if !booted || len(tpl.Notes) == 0 || !strings.Contains(strings.Join(tpl.Notes, "\n"), want) {
			t.Errorf("booted %v, %v", booted, tpl.Notes)
		}
		worksOnce(t, tpl, c)
		if left, _ := os.ReadDir(cache); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
