package kernels

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// varied gives the bench's series s a variant of its second patch, and its base a
// series of its own.
func varied(b *bench, versions string) {
	b.tables["patches/s/6/2.patch"] = &fstest.MapFile{Data: []byte("--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-adapted\n+variant\n")}
	b.tables["patches/s/series.toml"] = &fstest.MapFile{Data: []byte("versions = \">= 6.12\"\n[[variant]]\npatch = \"2.patch\"\nversions = \"" + versions + "\"\nfile = \"6/2.patch\"\n")}
	b.tables["patches/adapter/1.patch"] = &fstest.MapFile{Data: []byte("--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+adapted\n")}
	b.tables["patches/adapter/series.toml"] = &fstest.MapFile{Data: []byte("title = \"adapter\"\n")}
	base := b.tables["bases/b.toml"]
	base.Data = append(base.Data, "\nseries = [\"adapter\"]\n"...)
}

// A base's series comes before the kernel's, and the source's version decides
// which variant of a patch is applied.
func TestVariants(t *testing.T) {
	file, sha := archive(t)
	source := "tarball:" + file + "#sha256=" + sha
	b := newBench(t, source)
	varied(b, ">= 6.12.1")
	before, err := b.builder().Identify(context.Background(), b.spec("patched"))
	if err != nil {
		t.Fatal(err)
	}
	built, text := b.build(b.spec("patched"))
	if text != "a b variant new" {
		t.Errorf("image holds %q", text)
	}
	after, err := b.builder().Identify(context.Background(), b.spec("patched"))
	if err != nil {
		t.Fatal(err)
	}
	used := built.Provenance.Series
	if len(used) != 2 || used[0].Name != "adapter" || used[1].Name != "s" || used[1].Patches[1].Name != "6/2.patch" {
		t.Errorf("series used: %+v", used)
	}
	for i, id := range after.Series {
		if id.SHA256 != used[i].SHA256 || id.Patches != len(used[i].Patches) {
			t.Errorf("identity %+v, used %+v", id, used[i])
		}
		if id.Unversioned() != before.Series[i].Unversioned() {
			t.Errorf("before the fetch %+v, after it %+v", before.Series[i], id)
		}
	}
	// A kernel without a series is the source as it is.
	if plain, text := b.build(b.spec("plain")); text != "a b c" || len(plain.Provenance.Series) != 0 {
		t.Errorf("image without a series holds %q, series %+v", text, plain.Provenance.Series)
	}
	if id := before.Series[1]; id.SHA256 != "" || len(id.All) != 64 || strings.Contains(id.String(), "0 patches") {
		t.Errorf("not fetched, and yet it has %s", id)
	}

	// Another variant that is applied is another kernel; one that is not applied
	// leaves the kernel what it is.
	b.tables["patches/s/7/2.patch"] = b.tables["patches/s/2.patch"]
	toml := b.tables["patches/s/series.toml"]
	toml.Data = append(toml.Data, "[[variant]]\npatch = \"1.patch\"\nversions = \">= 7\"\nfile = \"7/2.patch\"\n"...)
	again, _ := b.build(b.spec("patched"))
	if again.Image != built.Image || again.Provenance.Key != built.Provenance.Key {
		t.Error("a variant for other versions made another kernel")
	}
	toml.Data = []byte(strings.Replace(string(toml.Data), ">= 6.12.1", ">= 6.13", 1))
	b.fails(context.Background(), b.spec("patched"), "apply 2.patch of series s: hunk 1 (line 1) of c.c does not match")
	if left, _ := filepath.Glob(filepath.Join(b.cache, "kernels", "*new*")); len(left) > 0 {
		t.Errorf("left %s", left)
	}
}
