package kernels

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/lockdown"
)

func TestBuild(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	ctx := context.Background()
	if _, ok, err := b.builder().Lookup(ctx, b.spec("patched")); ok || err != nil {
		t.Errorf("found %v, %v before it was built", ok, err)
	}
	built, text := b.build(b.spec("patched"))
	if text != "a b patched new" {
		t.Errorf("image holds %q", text)
	}
	if built.Cached || built.Name != "patched" || built.Interface != lockdown.Bitmap || !built.HasConfig("CONFIG_COMMON") || built.HasConfig("CONFIG_X") {
		t.Errorf("built %+v", built)
	}
	p := built.Provenance
	if p.BaseVersion != "6.12.1" || len(p.BaseSHA256) != 64 || len(p.Series) != 1 || len(p.Series[0].Patches) != 2 || p.Compiler != "fake 1.0" {
		t.Errorf("provenance %+v", p)
	}
	for _, name := range []string{build.KexecSigned, build.KexecUnsigned, "System.map", "build.log"} {
		if _, err := os.Stat(built.Files[name]); err != nil {
			t.Error(err)
		}
	}
	again, ok, err := b.builder().Lookup(ctx, b.spec("patched"))
	if !ok || err != nil || !again.Cached || again.Provenance.ImageSHA256 != p.ImageSHA256 {
		t.Errorf("found %v, %v: %+v", ok, err, again)
	}
	if again, _ := b.build(b.spec("patched")); !again.Cached {
		t.Error("it was built again")
	}
	if !b.saw(progress.Building, "CC ") {
		t.Errorf("no progress: %+v", b.events)
	}
}

// Switching kernels rebuilds what differs, there and back, and nothing else.
func TestBuildSwitch(t *testing.T) {
	source := tree(t, fakeTree)
	b := newBench(t, "dir:"+source)
	built, text := b.build(b.spec("plain"))
	if text != "a b c" || compiled(t, built) != "a.c b/b.c c.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
	built, text = b.build(b.spec("patched"))
	if text != "a b patched new" || compiled(t, built) != "c.c new.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
	if err := os.RemoveAll(filepath.Join(b.cache, "kernels")); err != nil {
		t.Fatal(err)
	}
	built, text = b.build(b.spec("plain"))
	if text != "a b c" || compiled(t, built) != "c.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
	for _, patched := range []string{"--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+A\n", "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+AA\n"} {
		spec := b.spec("plain") // the same configuration: make has the sources to look at, no more
		spec.Series = users(t, patched)
		if built, _ = b.build(spec); compiled(t, built) != "a.c" || !built.HasConfig("CONFIG_COMMON") {
			t.Errorf("compiled %s", compiled(t, built))
		}
	}
	built, _ = b.build(b.spec("patched"))
	if !built.HasConfig("CONFIG_SECURITY_LOCKDOWN_REASONS") {
		t.Error("the configuration is the last kernel's")
	}
	if got, _ := os.ReadFile(filepath.Join(source, "c.c")); string(got) != "c\n" {
		t.Errorf("the source was written to: %q", got)
	}
	if _, err := os.Stat(filepath.Join(source, "build")); err == nil {
		t.Error("the source was built in")
	}
}

// What changes in a directory is picked up, files that come and go included.
func TestBuildDirChanges(t *testing.T) {
	source := tree(t, fakeTree)
	b := newBench(t, "dir:"+source)
	first, _ := b.build(b.spec("plain"))
	write(t, filepath.Join(source, "a.c"), "changed\n")
	write(t, filepath.Join(source, "d.c"), "d\n")
	write(t, filepath.Join(source, "d.o"), "a product\n")
	write(t, filepath.Join(source, ".git/x.c"), "git's\n")
	if err := os.Remove(filepath.Join(source, "b/b.c")); err != nil {
		t.Fatal(err)
	}
	built, text := b.build(b.spec("plain"))
	if text != "changed c d" || compiled(t, built) != "a.c d.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
	if built.Provenance.BaseSHA256 == first.Provenance.BaseSHA256 {
		t.Error("provenance is of the old source")
	}
}

// A result that was harmed is noticed, said, and built again.
func TestDamagedEntry(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	for name, harm := range map[string]func(Built) error{
		"image cut":  func(x Built) error { return os.Truncate(x.Image, 10) },
		"image gone": func(x Built) error { return os.Remove(x.Image) },
		"provenance changed": func(x Built) error {
			return os.WriteFile(filepath.Join(filepath.Dir(x.Image), "provenance.json"), []byte("{}"), 0o644)
		},
		"checksums emptied": func(x Built) error { return os.Truncate(filepath.Join(filepath.Dir(x.Image), "SHA256SUMS"), 0) },
		"checksums junk": func(x Built) error {
			return os.WriteFile(filepath.Join(filepath.Dir(x.Image), "SHA256SUMS"), []byte("junk\x00"), 0o644)
		},
		"payload swapped": func(x Built) error { return os.Rename(x.Files[build.KexecUnsigned], x.Files[build.KexecSigned]) },
	} {
		built, _ := b.build(b.spec("plain"))
		if err := harm(built); err != nil {
			t.Fatal(err)
		}
		b.events = nil
		if _, ok, err := b.builder().Lookup(context.Background(), b.spec("plain")); ok || err != nil {
			t.Errorf("%s: found %v, %v", name, ok, err)
		}
		if !b.saw(progress.Noting, "cache entry kernels/") {
			t.Errorf("%s: not said", name)
		}
		if built, text := b.build(b.spec("plain")); built.Cached || text != "a b c" {
			t.Errorf("%s: image holds %q", name, text)
		}
	}
}

// Two at once on one cache: one builds, the other waits and takes what it built.
func TestBuildTwice(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	var wg sync.WaitGroup
	built := make([]Built, 4)
	for i := range built {
		wg.Go(func() {
			kernel := []string{"plain", "patched"}[i%2]
			spec := b.spec(kernel)
			var err error
			if built[i], err = b.builder().Build(context.Background(), spec); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	cached := 0
	for i, x := range built {
		if want := []string{"a b c", "a b patched new"}[i%2]; content(t, x) != want {
			t.Errorf("build %d holds %q", i, content(t, x))
		}
		if x.Cached {
			cached++
		}
	}
	if cached != 2 {
		t.Errorf("%d of 4 came from the cache", cached)
	}
}

func TestBuildFails(t *testing.T) {
	source := tree(t, fakeTree)
	b := newBench(t, "dir:"+source)
	ctx := context.Background()
	b.fails(ctx, b.spec("later"), "series later", "is for Linux >= 6.13", "base b is >= 6.12, < 6.13")
	b.build(b.spec("plain"))

	spec := b.spec("plain")
	spec.Kernel.Arches = []string{"vax"}
	b.fails(ctx, spec, "it is not for "+b.arch.Name)

	spec = b.spec("plain")
	spec.Series = users(t, "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-see\n+BROKEN\n")
	b.fails(ctx, spec, "apply x.patch", "hunk 1 (line 1) of c.c does not match")

	spec.Series = users(t, "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+BROKEN\n")
	err := b.fails(ctx, spec, "build kernel plain", "c.c:1: error: broken", "log: ")
	var failed *build.MakeError
	if !errors.As(err, &failed) || len(failed.Tail) == 0 || len(failed.Tail) > 25 {
		t.Errorf("no tail in %+v", failed)
	}
	// A source may hold anything, and a compiler quotes it.
	spec.Series = users(t, "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+BROKEN \x1b]0;title\a\n")
	err = b.fails(ctx, spec, `error: broken \x1b]0;title\a`)
	if !errors.As(err, &failed) || strings.ContainsAny(strings.Join(failed.Tail, ""), "\x1b\a\n") {
		t.Errorf("the tail is not fit for a terminal: %q", failed.Tail)
	}
	spec.Series = users(t, "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+FULL\n")
	if err := b.fails(ctx, spec, "no space left on device"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v is not ENOSPC", err)
	}
	b.tables["config/common.config"].Data = []byte("# why\nCONFIG_DROPPED=y # reason\n")
	b.fails(ctx, b.spec("plain"), "common.config:2: CONFIG_DROPPED=y did not stick", "depends on NOTHING (NOTHING is not set) at Kconfig:1")
	b.tables["config/common.config"].Data = []byte("CONFIG_COMMON=y # reason\n")

	// None of it harmed what is built next.
	spec.Series = users(t, "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+good\n")
	if _, text := b.build(spec); text != "a b good" {
		t.Errorf("image holds %q", text)
	}
	if entries, _ := filepath.Glob(filepath.Join(b.cache, "kernels", "*")); len(entries) != 2 {
		t.Errorf("cache holds %s", entries)
	}
}

// Cancelling ends make and all below it, and leaves a tree that the next build
// can use, whether make could clean up or not.
func TestBuildCancelled(t *testing.T) {
	source := tree(t, fakeTree)
	b := newBench(t, "dir:"+source)
	b.build(b.spec("plain"))
	write(t, filepath.Join(source, "a.c"), "SLOW\n")
	ctx, cancel := context.WithCancel(context.Background())
	builder := b.builder()
	builder.Events = func(e Event) {
		if strings.Contains(e.Message, "CC a.c") {
			cancel()
		}
	}
	if _, err := builder.Build(ctx, b.spec("plain")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	write(t, filepath.Join(source, "a.c"), "quick\n")
	built, text := b.build(b.spec("plain"))
	if text != "quick b c" || compiled(t, built) != "a.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}

	// A crash: the state still says that make is at work.
	states, _ := filepath.Glob(filepath.Join(b.cache, "trees/*/state.json"))
	data, err := os.ReadFile(states[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, states[0], strings.Replace(string(data), `"Building":false`, `"Building":true`, 1))
	write(t, filepath.Join(filepath.Dir(states[0]), "source/build/a.o"), "half")
	built, text = b.build(b.spec("patched"))
	if text != "quick b patched new" || compiled(t, built) != "a.c b/b.c c.c new.c" {
		t.Errorf("after a crash, image holds %q, compiled %s", text, compiled(t, built))
	}
	write(t, states[0], "junk")
	if _, text = b.build(b.spec("plain")); text != "quick b c" {
		t.Errorf("after a damaged state, image holds %q", text)
	}
}

func TestBuildUnwritableCache(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	b.cache = filepath.Join(tree(t, map[string]string{"file": ""}), "file", "cache")
	b.fails(context.Background(), b.spec("plain"), "use cache: ", "not a directory")
}

func TestBuildNoCompiler(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	spec := b.spec("plain")
	t.Setenv("PATH", t.TempDir())
	b.fails(context.Background(), spec, "find compiler for "+b.arch.Name, "install make gcc")
	if _, ok, err := b.builder().Lookup(context.Background(), spec); ok || err == nil {
		t.Errorf("found %v, %v without a compiler", ok, err)
	}
}
