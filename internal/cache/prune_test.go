package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// put writes a file in the cache, with what leads there.
func put(t *testing.T, c *Cache, name string, size int) {
	t.Helper()
	path := filepath.Join(c.Dir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kernel is an entry of some 64 KiB, last used so long ago.
func kernel(t *testing.T, c *Cache, n int, age time.Duration) ID {
	t.Helper()
	id := ID{Kernels, fmt.Sprintf("k%d-x86_64-%016x", n, n)}
	put(t, c, "kernels/"+id.Name+"/SHA256SUMS", 1)
	put(t, c, "kernels/"+id.Name+"/image", 64<<10-4096)
	used(t, c, id, age)
	return id
}

// used sets the last use of an entry.
func used(t *testing.T, c *Cache, id ID, age time.Duration) {
	t.Helper()
	l, err := c.Lock(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	when := time.Now().Add(-age)
	if err := os.Chtimes(c.lockPath(id), when, when); err != nil {
		t.Fatal(err)
	}
}

func ids(entries []Entry) (names []string) {
	for _, e := range entries {
		names = append(names, e.ID.String())
	}
	return names
}

func prune(t *testing.T, c *Cache, l Limits) Pruned {
	t.Helper()
	p, err := c.Prune(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func present(c *Cache, id ID) bool {
	_, err := os.Stat(c.Path(id))
	return err == nil
}

func TestListFindsOldLayouts(t *testing.T) {
	c, _ := open(t)
	if list, err := c.List(t.Context()); err != nil || len(list.Entries) > 0 {
		t.Errorf("no cache: %v, %v", list, err)
	}
	for _, name := range []string{
		"sources/apt-linux-source-6.12/6.12.117-1_deb12u1/origin.json", "sources/apt-linux-source-6.12/6.12.117-1_deb12u1/tree/Makefile",
		"sources/apt-linux-source-6.12/current", "sources/apt-linux-source-6.12/.lock", "sources/apt-linux-source-6.12/apt/log",
		"sources/git-x-12345678/new/origin.json", "sources/dir-x-12345678/index",
		"trees/apt-linux-source-6.12-x86_64/state.json", "trees/apt-linux-source-6.12-x86_64/.lock",
		"kernels/bitmap-arm64-4490b89048486a71/SHA256SUMS",
		"guest-arm64-bce94b9b0dda6fd9", "guest-arm64-bce94b9b0dda6fd9.sum", ".guest-arm64-bce94b9b0dda6fd9.lock",
		imageName, imageName + ".sum", "templates/0123456789abcdef0123456789abcdef.template", "templates/x.part",
		"kvm-x86_64.json", "key/lab_key.pem",
	} {
		put(t, c, name, 10)
	}
	list, err := c.List(t.Context())
	want := []string{
		"sources/apt-linux-source-6.12/6.12.117-1_deb12u1", "trees/apt-linux-source-6.12-x86_64", "kernels/bitmap-arm64-4490b89048486a71",
		"guest/guest-arm64-bce94b9b0dda6fd9", "initramfs/" + imageName, "templates/0123456789abcdef0123456789abcdef.template", "verdicts/kvm-x86_64.json",
	}
	if got := ids(list.Entries); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	if _, err := os.Stat(filepath.Join(c.Dir(), "locks")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("listing made locks: %v", err)
	}
}

func TestPruneByUse(t *testing.T) {
	for name, tt := range map[string]struct {
		limits Limits
		want   []int // of the entries that stay
	}{
		"no limit":      {Limits{Max: -1}, []int{1, 2, 3, 4}},
		"fits":          {Limits{Max: 1 << 20}, []int{1, 2, 3, 4}},
		"two fit":       {Limits{Max: 200 << 10}, []int{1, 3}},
		"nothing stays": {Limits{Max: 0}, nil},
		"age":           {Limits{Max: -1, Idle: 150 * time.Minute}, []int{1, 3}},
		"both":          {Limits{Max: 100 << 10, Idle: 210 * time.Minute}, []int{1}},
		"other kinds":   {Limits{Max: 0, Kinds: []Kind{Trees, Guest}}, []int{1, 2, 3, 4}},
		"dry run":       {Limits{Max: 0, DryRun: true}, []int{1, 2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := open(t)
			hours := []int{1, 4, 2, 3} // since last use
			var all []ID
			for i, h := range hours {
				all = append(all, kernel(t, c, i+1, time.Duration(h)*time.Hour))
			}
			p := prune(t, c, tt.limits)
			var stay []int
			for i, id := range all {
				if present(c, id) {
					stay = append(stay, i+1)
				}
			}
			if !slices.Equal(stay, tt.want) {
				t.Errorf("%v stay, want %v", stay, tt.want)
			}
			if !slices.IsSortedFunc(p.Removed, func(a, b Entry) int { return a.Used.Compare(b.Used) }) {
				t.Errorf("order %v", ids(p.Removed))
			}
			removed := 4 - len(stay)
			if tt.limits.DryRun {
				removed = 4
			}
			if len(p.Removed) != removed || len(p.InUse) > 0 {
				t.Errorf("removed %v, in use %v", ids(p.Removed), ids(p.InUse))
			}
			list, err := c.List(t.Context(), tt.limits.Kinds...)
			if err != nil || !tt.limits.DryRun && list.Size != p.Size {
				t.Errorf("%d bytes stay, not %d; %v", list.Size, p.Size, err)
			}
			if left, _ := filepath.Glob(c.Dir() + "/tmp/*"); len(left) > 0 {
				t.Errorf("left %q", left)
			}
			if locks, _ := filepath.Glob(c.Dir() + "/locks/kernels/*"); len(locks) != len(stay) {
				t.Errorf("%d locks of %d entries", len(locks), len(stay))
			}
		})
	}
}

func TestInUseStays(t *testing.T) {
	c, _ := open(t)
	shared, exclusive, heldID, free := kernel(t, c, 1, time.Hour), kernel(t, c, 2, time.Hour), kernel(t, c, 3, time.Hour), kernel(t, c, 4, 0)
	l1, err := c.Use(t.Context(), shared)
	if err != nil {
		t.Fatal(err)
	}
	l2, err := c.Lock(t.Context(), exclusive)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := c.Use(t.Context(), heldID)
		if err != nil {
			t.Fatal(err)
		}
		l.Hold()
	}
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Entries {
		if e.InUse != (e.ID != free) || time.Since(e.Used) > time.Minute {
			t.Errorf("%s: in use %v, last use %v", e.ID, e.InUse, e.Used)
		}
	}
	if p := prune(t, c, Limits{Max: 0}); len(p.Removed) != 1 || p.Removed[0].ID != free || len(p.InUse) != 3 || p.Size == 0 {
		t.Errorf("removed %v, in use %v", ids(p.Removed), ids(p.InUse))
	}
	l1.Close()
	l2.Close()
	if p := prune(t, c, Limits{Max: 0}); len(p.Removed) != 2 || !present(c, heldID) {
		t.Errorf("removed %v, in use %v", ids(p.Removed), ids(p.InUse))
	}
}

// TestUsedSinceListed: Prune decides by a listing that may be old.
func TestUsedSinceListed(t *testing.T) {
	c, _ := open(t)
	known, unknown := kernel(t, c, 1, time.Hour), kernel(t, c, 2, time.Hour)
	if err := os.Remove(c.lockPath(unknown)); err != nil {
		t.Fatal(err)
	}
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	used(t, c, known, time.Minute)
	used(t, c, unknown, time.Minute)
	root, err := c.openRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, e := range list.Entries {
		if removed, err := c.remove(root, e, false); removed || err != nil {
			t.Errorf("%s: removed %v, %v", e.ID, removed, err)
		}
	}
}

// TestOnlyEntriesAreRemoved: what is not ours stays, and so does what a
// symbolic link leads to.
func TestOnlyEntriesAreRemoved(t *testing.T) {
	c, _ := open(t)
	foreign := t.TempDir()
	for _, name := range []string{"kernels/a-x86_64-0123456789abcdef/SHA256SUMS", "precious"} {
		path := filepath.Join(foreign, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	ours := []string{"trees/t/state.json", imageName, imageName + ".sum"}
	stay := []string{
		"key/lab_key.pem", "notes.txt", "kernels/notes.txt", "kernels/mine/image", "trees/mine/file", "sources/file", "sources/slot/mine/tree/Makefile",
		"sources/slot/current", "templates/notes", "initramfs-x86_64.cpio", "tmp/notes", "tmp/precious-file/x", "kernels/.hidden-0123456789abcdef/SHA256SUMS",
	}
	for _, name := range slices.Concat(ours, stay) {
		put(t, c, name, 10)
	}
	links := map[string]string{
		"kernels/link-x86_64-0123456789abcdef":                foreign + "/kernels/a-x86_64-0123456789abcdef",
		"templates/0123456789abcdef0123456789abcdef.template": foreign + "/precious",
		"sources/linked": foreign + "/kernels",
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(c.Dir(), name)); err != nil {
			t.Fatal(err)
		}
		stay = append(stay, name)
	}
	removed := ids(prune(t, c, Limits{Max: 0}).Removed)
	slices.Sort(removed)
	if !slices.Equal(removed, []string{"initramfs/" + imageName, "trees/t"}) {
		t.Errorf("removed %q", removed)
	}
	// A directory of entries that is a link.
	other, _ := open(t)
	put(t, other, "notes", 1)
	if err := os.Symlink(foreign+"/kernels", filepath.Join(other.Dir(), "kernels")); err != nil {
		t.Fatal(err)
	}
	if p := prune(t, other, Limits{Max: 0}); len(p.Removed) > 0 {
		t.Errorf("removed %q", ids(p.Removed))
	}
	for _, name := range stay {
		if _, err := os.Stat(filepath.Join(c.Dir(), name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range ours {
		if _, err := os.Stat(filepath.Join(c.Dir(), name)); err == nil {
			t.Errorf("%s stays", name)
		}
	}
	for _, name := range []string{"kernels/a-x86_64-0123456789abcdef/SHA256SUMS", "precious"} {
		if _, err := os.Stat(filepath.Join(foreign, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestForeignCacheIsRefused(t *testing.T) {
	c, _ := open(t)
	id := kernel(t, c, 1, time.Hour)
	geteuid = func() int { return os.Geteuid() + 1 }
	_, err := c.Prune(t.Context(), Limits{Max: 0})
	geteuid = os.Geteuid
	if !errors.Is(err, ErrNotOurs) {
		t.Errorf("another's: %v", err)
	}
	if err := os.Chmod(c.Dir(), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prune(t.Context(), Limits{Max: 0}); !errors.Is(err, ErrNotOurs) {
		t.Errorf("everybody's: %v", err)
	}
	if !present(c, id) {
		t.Error("an entry is gone")
	}
}

// TestSharedFiles: working trees share files with the source they are of.
func TestSharedFiles(t *testing.T) {
	c, _ := open(t)
	put(t, c, "sources/s/1/origin.json", 1)
	put(t, c, "sources/s/1/tree/big", 1<<20)
	put(t, c, "trees/s-1-x86_64/state.json", 1)
	if err := os.Link(filepath.Join(c.Dir(), "sources/s/1/tree/big"), filepath.Join(c.Dir(), "trees/s-1-x86_64/big")); err != nil {
		t.Fatal(err)
	}
	source, tree := ID{Sources, "s/1"}, ID{Trees, "s-1-x86_64"}
	used(t, c, source, 2*time.Hour)
	used(t, c, tree, time.Hour)
	list, err := c.List(t.Context())
	if err != nil || list.Size < 1<<20 || list.Size > 3<<19 || list.Entries[0].Size < 1<<20 || list.Entries[1].Size < 1<<20 {
		t.Fatalf("%d bytes of %+v, %v", list.Size, list.Entries, err)
	}
	// To remove the source alone frees next to nothing.
	if p := prune(t, c, Limits{Max: 1 << 19}); len(p.Removed) != 2 {
		t.Errorf("removed %q", ids(p.Removed))
	}
}

// TestSweep: what killed processes leave is removed, what is being made is not.
func TestSweep(t *testing.T) {
	c, _ := open(t)
	put(t, c, "tmp/.removed-kernels+x/image", 10)
	put(t, c, "tmp/initramfs-"+strings.ReplaceAll(imageName, "6", "7")+"/made", 10)
	_, _, err := c.Get(t.Context(), Recipe{ID: image, Make: func(ctx context.Context, to string) error {
		prune(t, c, Limits{Max: 0})
		if left, _ := filepath.Glob(c.Dir() + "/tmp/*"); len(left) != 1 || left[0] != filepath.Dir(to) {
			t.Errorf("left %q", left)
		}
		return writes("x")(ctx, to)
	}})
	if err != nil || !present(c, image) {
		t.Error(err)
	}
}

func TestTidy(t *testing.T) {
	c, _ := open(t)
	old, young := ID{Templates, strings.Repeat("0", 32) + ".template"}, ID{Templates, strings.Repeat("1", 32) + ".template"}
	for _, id := range []ID{old, young} {
		put(t, c, "templates/"+id.Name, 10)
	}
	k := kernel(t, c, 1, 300*day)
	used(t, c, old, 8*day)
	used(t, c, young, 6*day)
	if err := c.Tidy(t.Context(), Templates); err != nil || present(c, old) || !present(c, young) || !present(c, k) {
		t.Errorf("templates: old %v, young %v, kernel %v, %v", present(c, old), present(c, young), present(c, k), err)
	}
	for _, tt := range []struct {
		limit string
		stay  bool
	}{{"", true}, {"none", true}, {"1M", true}, {"1K", false}} {
		t.Setenv("LDLAB_CACHE_MAX", tt.limit)
		if err := c.Tidy(t.Context()); err != nil || present(c, k) != tt.stay {
			t.Errorf("limit %q: kernel stays %v, %v", tt.limit, present(c, k), err)
		}
	}
	t.Setenv("LDLAB_CACHE_MAX", "much")
	if err := c.Tidy(t.Context()); err == nil || err.Error() != `read LDLAB_CACHE_MAX: "much" is not a size like 500M, 20G or none` {
		t.Errorf("got %v", err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "12": 12, "1K": 1024, "1k": 1024, "2MiB": 2 << 20, "2MB": 2 << 20, "20G": 20 << 30, "1.5T": 3 << 39, "7B": 7, "none": -1,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "G", "-1", "1e3", "0x10", "NaN", "inf", "1 G", "99999999999T", "1GG", "iB", "+5"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	for want, size := range map[string]int64{"0 B": 0, "1023 B": 1023, "1.0 KiB": 1024, "99.9 KiB": 102300, "100 KiB": 102400, "1.0 MiB": 1 << 20, "30.0 GiB": 30 << 30} {
		if got := FormatSize(size); got != want {
			t.Errorf("%d: %s, want %s", size, got, want)
		}
	}
}
