package kernels

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// prune removes all that nobody uses, and lists what was removed and what was
// in use, by kind.
func (b *bench) prune() (removed, inUse string) {
	b.t.Helper()
	c, err := cache.Open(b.cache, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := c.Prune(context.Background(), cache.Limits{Max: 0})
	if err != nil {
		b.t.Fatal(err)
	}
	kinds := func(list []cache.Entry) string {
		var names []string
		for _, e := range list {
			names = append(names, string(e.ID.Kind))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	return kinds(p.Removed), kinds(p.InUse)
}

// Sources and working trees can be pruned, but not while a kernel is built from
// them; kernels not while this process may boot them. A kernel that is in the
// cache needs no source, and another one fetches it again.
func TestPrune(t *testing.T) {
	file, sha := archive(t)
	b := newBench(t, "tarball:"+file+"#sha256="+sha)
	builder := b.builder()
	var during string
	builder.Events = func(e Event) {
		if e.Phase == progress.Building && e.Done > 0 && during == "" {
			var removed string
			if removed, during = b.prune(); removed != "" {
				t.Errorf("%s was removed during a build", removed)
			}
		}
	}
	first, err := builder.Build(context.Background(), b.spec("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if during != "sources trees" {
		t.Errorf("in use during a build: %q", during)
	}
	if removed, inUse := b.prune(); removed != "sources trees" || inUse != "kernels" {
		t.Errorf("afterwards %q was removed, and %q was in use", removed, inUse)
	}
	if got := content(t, first); got != "a b c" {
		t.Errorf("the kernel in use holds %q", got)
	}
	b.events = nil
	if again, _ := b.build(b.spec("plain")); !again.Cached || again.Provenance.BaseSHA256 != sha || b.saw(progress.Fetching, "") {
		t.Errorf("a kernel in the cache: %+v, %+v", again, b.events)
	}
	if id, err := b.builder().Identify(context.Background(), b.spec("patched")); err != nil || id.Version != "6.12.1" || id.SHA256 != sha {
		t.Errorf("without its tree a source is %+v, %v", id, err)
	}
	built, text := b.build(b.spec("patched"))
	if text != "a b patched new" || compiled(t, built) != "a.c b/b.c c.c new.c" || !b.saw(progress.Fetching, "") {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
}

// Each commit of a git source has a tree and a working tree, all of which can be
// pruned.
func TestPruneCommits(t *testing.T) {
	repo, run := repository(t)
	b := newBench(t, "git:"+repo+"@HEAD")
	for _, text := range []string{"one\n", "two\n"} {
		write(t, filepath.Join(repo, "a.c"), text)
		run("commit", "-q", "-a", "-m", text)
		if _, got := b.build(b.spec("plain")); got != strings.TrimSpace(text)+" b c" {
			t.Errorf("image holds %q", got)
		}
	}
	if removed, _ := b.prune(); removed != "sources sources trees trees" {
		t.Errorf("%q was removed", removed)
	}
}
