package kernels

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// upstreamSeries are for mainline, in this order: a fix, the tests that go with
// today's lockdown, and what the lab proposes.
var upstreamSeries = []string{"race", "kunit", "bitmap", "bitmap-rfc"}

// adapter is the series that makes Debian's source fit those for mainline.
const adapter = "debian"

const lockdownSource = "security/lockdown/lockdown.c"

// upstreamTree is the tree of upstream's 6.12 in the cache.
func upstreamTree(t *testing.T) string {
	t.Helper()
	dir, err := cache.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "sources/upstream-6.12/*/tree"))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("the base 6.12 is not in the cache")
	}
	if err != nil {
		testutil.Require(t, "kernels", err)
	}
	return all[len(all)-1]
}

// withFiles is a tree with some files replaced.
type withFiles struct {
	fs.FS
	dir string
}

func (w withFiles) Open(name string) (fs.File, error) {
	if f, err := os.Open(filepath.Join(w.dir, name)); err == nil {
		return f, nil
	}
	return w.FS.Open(name)
}

// The fix for two writers of the level can come before or after the tests.
// TestSeriesApply has the order of the table.
func TestUpstreamSeriesApply(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	o := patchset.NewOverlay(os.DirFS(upstreamTree(t)), "out")
	for _, name := range []string{"kunit", "race"} {
		s, err := tables.series(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Apply(s); err != nil {
			t.Error(err)
		}
	}
}
