package kernels

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// upstreamSeries are for mainline, in this order: a fix, the tests that go with
// today's lockdown, and what the lab proposes.
var upstreamSeries = []string{"race", "kunit", "bitmap-next", "bitmap-rfc"}

// adapter is the series that makes Debian's source fit those for mainline.
const adapter = "debian"

const (
	lockdownSource = "security/lockdown/lockdown.c"
	securityHeader = "include/linux/security.h"
)

// debianBase is the tree of the base in the cache.
func debianBase(t *testing.T) string {
	t.Helper()
	dir, err := cache.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "sources/apt-linux-source-6.12/*/tree"))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("the base 6.12 is not in the cache")
	}
	if err != nil {
		testutil.Require(t, "kernels", err)
	}
	return all[len(all)-1]
}

// upstreamFiles returns those files of a tree that Debian changed and lockdown's
// source depends on, as they are upstream. In upstream's own tree nothing changes.
func upstreamFiles(t *testing.T, tree fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	for name, change := range map[string][2]string{
		lockdownSource: {"\nint lock_kernel_down(", "\nstatic int lock_kernel_down("},
		securityHeader: {"\nint lock_kernel_down(const char *where, enum lockdown_reason level);\n", "\n"},
	} {
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = strings.Replace(string(data), change[0], change[1], 1)
	}
	return files
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

// The series for mainline apply to upstream's source, the fix before or after the
// tests, and to Debian's after its adapter.
func TestUpstreamSeriesApply(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	debian := os.DirFS(debianBase(t))
	dir := tree(t, upstreamFiles(t, debian))
	upstream := withFiles{debian, dir}
	for _, c := range []struct {
		tree  fs.FS
		names []string
	}{
		{upstream, []string{"kunit", "race"}}, {upstream, []string{"race", "kunit"}},
		{upstream, upstreamSeries}, {debian, slices.Concat([]string{adapter}, upstreamSeries)},
	} {
		o := patchset.NewOverlay(c.tree, "out")
		for _, name := range c.names {
			s, err := tables.series(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Apply(s); err != nil {
				t.Errorf("%s: %v", c.names, err)
			}
		}
	}
}
