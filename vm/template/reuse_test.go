package template

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// notes collects lines for the user.
type notes struct {
	sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.Lock()
	defer n.Unlock()
	n.lines = append(n.lines, line)
}

// noted makes a template with a cache. It reports whether it was booted, and
// what the user was told.
func noted(t *testing.T, c vm.Config, dir string) (tpl *Template, booted bool, lines []string) {
	t.Helper()
	var n notes
	tpl, err := Make(t.Context(), c, dir, n.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tpl.Close() })
	return tpl, tpl.Phases.Ready > 0, n.lines
}

// cached is noted for a test in which there is nothing to note.
func cached(t *testing.T, c vm.Config, dir string) (tpl *Template, booted bool) {
	t.Helper()
	tpl, booted, lines := noted(t, c, dir)
	if len(lines) > 0 {
		t.Errorf("notes %q", lines)
	}
	return tpl, booted
}

// worksOnce logs in to a fork.
func worksOnce(t *testing.T, tpl *Template, c vm.Config) {
	t.Helper()
	ask(t, connect(t, fork(t, tpl, c)), "uuid")
}

func onlyTemplate(t *testing.T, dir string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, "templates", "*"))
	if len(found) != 1 || !strings.HasSuffix(found[0], ".template") {
		t.Fatalf("the cache has %v", found)
	}
	return found[0]
}

// TestReuse boots a real machine, and finds it in the cache.
func TestReuse(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		dir := t.TempDir()
		for _, want := range []bool{true, false} {
			tpl, booted := cached(t, c, dir)
			if booted != want {
				t.Errorf("booted %v, want %v", booted, want)
			}
			t.Logf("booted %v: %v", booted, tpl.Took)
			worksOnce(t, tpl, c)
			onlyTemplate(t, dir)
		}
	})
}

// The tests below need no QEMU.

func TestDamagedTemplate(t *testing.T) {
	c, dir := fakeConfig(t, arch.All()[0], fakeGood)
	if _, booted := cached(t, c, dir); !booted {
		t.Fatal("a template out of nothing")
	}
	path := onlyTemplate(t, dir)
	for _, tt := range []struct {
		name   string
		damage func() error
		note   string // "": none, and the template is used
	}{
		{"none", func() error { return nil }, ""},
		{"truncated", func() error { return os.Truncate(path, 1<<20) }, "bytes, not"},
		{"empty", func() error { return os.Truncate(path, 0) }, "read head"},
		{"state", func() error { return overwrite(path, "damage", 1<<20) }, "SHA-256"},
		{"removed", func() error { return os.Remove(path) }, "no note"},
		{"none again", func() error { return nil }, ""},
	} {
		if err := tt.damage(); err != nil {
			t.Fatal(err)
		}
		tpl, booted, lines := noted(t, c, dir)
		said := strings.Join(lines, "\n")
		if said == "" && tt.note != "" {
			said = "no note"
		}
		if booted != (tt.note != "") || !strings.Contains(said, tt.note) || len(lines) > 1 {
			t.Errorf("%s: booted %v, %q", tt.name, booted, lines)
		}
		fork(t, tpl, c)
		onlyTemplate(t, dir)
	}
}

// TestOtherVersion: a QEMU that was replaced has no template, even if its file
// has the same size and time.
func TestOtherVersion(t *testing.T) {
	c, dir := fakeConfig(t, arch.All()[0], fakeGood)
	cached(t, c, dir)
	script, err := os.ReadFile(c.QEMU)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.QEMU)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(script), "='good'", "='GOOD'", 1) // --version prints it
	testutil.WriteProgram(t, c.QEMU, []byte(other))
	if err := os.Chtimes(c.QEMU, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, booted := cached(t, c, dir); !booted {
		t.Error("the template of another QEMU was used")
	}
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
	all := arch.All()
	x, dirX := fakeConfig(t, all[0], fakeGood)
	y, dirY := fakeConfig(t, all[1], fakeGood)
	cached(t, x, dirX)
	cached(t, y, dirY)
	if err := os.Rename(onlyTemplate(t, dirX), onlyTemplate(t, dirY)); err != nil {
		t.Fatal(err)
	}
	tpl, booted, lines := noted(t, y, dirY)
	if !booted || len(lines) != 1 || !strings.Contains(lines[0], `it is of "arch x86_64", not of "arch arm64"`) {
		t.Errorf("booted %v, %q", booted, lines)
	}
	fork(t, tpl, y)
}

// TestTemplateTwice: two labs make the same template at once.
func TestTemplateTwice(t *testing.T) {
	c, dir := fakeConfig(t, arch.All()[0], fakeGood)
	var boots [2]bool
	var all sync.WaitGroup
	for i := range boots {
		all.Go(func() {
			tpl, err := Make(t.Context(), c, dir, nil)
			if err != nil {
				t.Error(err)
				return
			}
			boots[i] = tpl.Phases.Ready > 0
			tpl.Close()
		})
	}
	all.Wait()
	if boots[0] == boots[1] {
		t.Errorf("booted: %v", boots)
	}
	onlyTemplate(t, dir)
}

// TestTemplateCacheFull: a disk without room, and a cache that cannot be, cost
// no more than a boot.
func TestTemplateCacheFull(t *testing.T) {
	c, _ := fakeConfig(t, arch.All()[0], fakeGood)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	caches := map[string]string{file: "use no template cache: "}
	full := t.TempDir()
	if err := unix.Mount("tmpfs", full, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("without a full disk: mount tmpfs: %v", err) // TestTemplateFullDisk is for everybody
	} else {
		t.Cleanup(func() {
			if err := unix.Unmount(full, 0); err != nil {
				t.Error(err)
			}
		})
		caches[full] = "store template: write template: "
	}
	for cache, want := range caches {
		tpl, booted, lines := noted(t, c, cache)
		if !booted || len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("booted %v, %q", booted, lines)
		}
		fork(t, tpl, c)
		if left, _ := filepath.Glob(filepath.Join(cache, "t*", "*")); len(left) > 0 { // templates/ and tmp/
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestKeyOfInputs: what is in the files of devices decides a template, where they
// are does not.
func TestKeyOfInputs(t *testing.T) {
	c, dir := fakeConfig(t, arch.All()[1], fakeGood)
	key := func(path, content string) string {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		with := c
		with.Devices = []vm.Device{vm.PCI("edu"), vm.Firmware{Path: path}}
		with, err := with.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		lines, err := ingredients(t.Context(), with)
		if err != nil {
			t.Fatal(err)
		}
		return keyOf(lines)
	}
	one := key("firmware", "one")
	if key("elsewhere", "one") != one {
		t.Error("firmware in another place has another key")
	}
	if key("firmware", "two") == one {
		t.Error("other firmware has the same key")
	}
	tpl, _ := cached(t, c, filepath.Join(dir, "cache"))
	c.Devices = []vm.Device{vm.Firmware{Path: filepath.Join(dir, "firmware")}}
	if _, err := tpl.Fork(t.Context(), c); err == nil || !strings.Contains(err.Error(), "-bios") {
		t.Errorf("fork with firmware of a template without: %v", err)
	}
	tpl, _ = cached(t, c, filepath.Join(dir, "cache"))
	key("firmware", "other size")
	if _, err := tpl.Fork(t.Context(), c); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("fork with firmware that changed: %v", err)
	}
}
