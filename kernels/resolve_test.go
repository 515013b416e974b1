package kernels

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// users is a series that a user gives as a file of one patch.
func users(t *testing.T, patch string) []Series {
	t.Helper()
	r, err := Resolve(t.Context(), Inputs{Series: []string{filepath.Join(tree(t, map[string]string{"x.patch": patch}), "x.patch")}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Series
}

const goodPatch = "--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+good\n"

func TestResolve(t *testing.T) {
	dir := tree(t, map[string]string{"x.patch": goodPatch, "d/1.patch": addPatch, "d/2.patch": goodPatch})
	r, err := Resolve(t.Context(), Inputs{Source: "dir:/src", Series: []string{filepath.Join(dir, "x.patch"), filepath.Join(dir, "d")}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Source.String() != "dir:/src" || len(r.Series) != 2 || len(r.Series[1].Patches) != 2 || len(r.Series[0].SHA256()) != 64 || r.Series[0].SHA256() == r.Series[1].SHA256() {
		t.Errorf("resolved %+v", r)
	}
	// What is planned is what is built, whatever happens to the file.
	sum := r.Series[0].SHA256()
	write(t, filepath.Join(dir, "x.patch"), addPatch)
	if r.Series[0].SHA256() != sum {
		t.Error("the value changed with the file")
	}
	if r, err := Resolve(t.Context(), Inputs{}); err != nil || r.Source != nil || r.Series != nil || r.Image != nil {
		t.Errorf("nothing was resolved to %+v, %v", r, err)
	}
}

// Whatever is wrong with what a user gives is an InputError, which names it.
func TestResolveFails(t *testing.T) {
	dir := tree(t, map[string]string{"text": "hello\n", "cut.patch": goodPatch[:len(goodPatch)-7], "d/README": "", "bad/1.patch": addPatch, "bad/series.toml": "x = 1\n"})
	for _, in := range []Inputs{
		{Series: []string{filepath.Join(dir, "none")}},
		{Series: []string{filepath.Join(dir, "text")}},
		{Series: []string{filepath.Join(dir, "cut.patch")}},
		{Series: []string{filepath.Join(dir, "d")}},
		{Series: []string{filepath.Join(dir, "bad")}},
		{Series: []string{""}},
		{Source: "svn:/src"},
		{Image: filepath.Join(dir, "none")},
		{Image: filepath.Join(dir, "text")},
		{Image: dir},
	} {
		_, err := Resolve(t.Context(), in)
		var input *InputError
		if !errors.As(err, &input) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// An identity has what is known of a kernel, before and after its source is in
// the cache.
func TestIdentify(t *testing.T) {
	file, sha := archive(t)
	b := newBench(t, "tarball:"+file+"#sha256="+sha)
	spec := b.spec("patched")
	spec.Series = users(t, "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+good\n")
	before, err := b.builder().Identify(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if before.Kernel != "patched" || before.Arch != b.arch.Name || before.Base != "b" || before.Source != "tarball:"+file+"#sha256="+sha || before.Version != "" || before.SHA256 != "" {
		t.Errorf("before: %+v", before)
	}
	if len(before.Series) != 2 || before.Series[0].Patches != 2 || before.Series[1].SHA256 != spec.Series[0].SHA256() || len(before.Config) != 64 {
		t.Errorf("before: %+v", before)
	}
	if _, err := os.Stat(filepath.Join(b.cache, "sources")); err == nil {
		t.Error("it was fetched")
	}
	built, _ := b.build(spec)
	after, err := b.builder().Identify(context.Background(), spec)
	if err != nil || after.Version != "6.12.1" || after.SHA256 != built.Provenance.BaseSHA256 || after.Series[1].SHA256 != built.Provenance.Series[1].SHA256 {
		t.Errorf("after: %+v, %v", after, err)
	}
}

// The same mistake is an InputError before a plan and in a build; a mistake in
// the tables is none.
func TestInputErrors(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	ctx := context.Background()
	check := func(name string, spec Spec, input bool) {
		t.Helper()
		_, identify := b.builder().Identify(ctx, spec)
		_, build := b.builder().Build(ctx, spec)
		for _, err := range []error{identify, build} {
			var e *InputError
			if err == nil || errors.As(err, &e) != input {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	spec := b.spec("plain")
	spec.Series = users(t, strings.Replace(goodPatch, "-c", "-see", 1))
	check("a series that does not apply", spec, true)
	check("a series of the table for another version", b.spec("later"), false)
	dir := t.TempDir()
	for _, text := range []string{"dir:" + dir, "dir:" + dir + "/none", "git:" + dir + "/none@HEAD", "tarball:" + dir + "/none#sha256=" + strings.Repeat("0", 64)} {
		r, err := Resolve(t.Context(), Inputs{Source: text})
		if err != nil {
			t.Fatal(err)
		}
		spec := b.spec("plain")
		spec.Source = r.Source
		check(text, spec, true)
	}
}

// What the key of a build does not cover is the table's and the user's, not
// that of whoever built the same kernel first.
func TestCachedFacts(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	spec := b.spec("patched")
	spec.Series = users(t, "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+good\n")
	first, _ := b.build(spec)
	spec.Kernel.Interface = lockdown.Upstream
	spec.Series = users(t, "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+good\n") // of another name
	again, _ := b.build(spec)
	if !again.Cached || again.Image != first.Image {
		t.Error("it was built again")
	}
	if again.Interface != lockdown.Upstream || again.Provenance.Interface != lockdown.Upstream {
		t.Errorf("the interface is the cached one: %+v", again)
	}
	if got := again.Provenance.Series[1].Name; got != spec.Series[0].Name {
		t.Errorf("the series is named %s, as in the cache", got)
	}
	if again.Provenance.ImageSHA256 != first.Provenance.ImageSHA256 || again.Provenance.ConfigSHA256 != first.Provenance.ConfigSHA256 || len(again.Provenance.ImageSHA256) != 64 {
		t.Errorf("digests changed: %+v", again.Provenance)
	}
}
