package kernels

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/patchset"
)

const addPatch = `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Subject: [PATCH] add a file

---
 new.c | 1 +

diff --git a/new.c b/new.c
new file mode 100644
index 000000000000..1234567890ab
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+int x;
-- 
2.39.5

`

// tree writes files into a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The series of every kernel apply to every base that was fetched before and that
// they are for. Its own base is one of those.
func TestSeriesApply(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range tables.Kernels() {
		for _, base := range tables.Bases() {
			k, _ := tables.Kernel(own.Name + "@" + base)
			id, err := (&Builder{}).Identify(t.Context(), Spec{Kernel: k, Arch: arch.All()[0]})
			var version *build.VersionError
			switch {
			case err == nil && id.Version == "" && base == own.Base:
				testutil.Require(t, "kernels", fmt.Errorf("%s is not in the cache", id.Source))
			case err == nil && id.Version != "":
				t.Logf("kernel %s: %d series apply to %s", k.Name, len(id.Series), id.Version)
			case errors.As(err, &version) && base != own.Base:
				t.Logf("kernel %s: %v", k.Name, err)
			case err != nil:
				t.Errorf("kernel %s: %v", k.Name, err)
			}
		}
	}
}

// Every mutant of the source applies to its kernel, if that one's base was fetched
// before.
func TestMutantsApply(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	all, err := SourceMutants()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	done := map[string]bool{}
	for _, m := range all {
		if done[m.Kernel+m.Patch] {
			continue
		}
		done[m.Kernel+m.Patch] = true
		file, err := m.Write(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readSeries(t.Context(), file, patchset.Reader{})
		if err != nil {
			t.Fatal(err)
		}
		k, ok := tables.Kernel(m.Kernel)
		if !ok {
			t.Fatalf("%s: no kernel %s", m.Patch, m.Kernel)
		}
		id, err := (&Builder{}).Identify(t.Context(), Spec{Kernel: k, Arch: arch.Get(m.Arch), Series: []Series{s}})
		if err != nil {
			t.Error(err)
		} else if id.Version == "" {
			testutil.Require(t, "kernels", fmt.Errorf("%s is not in the cache", id.Source))
		}
	}
}

func TestUserSeries(t *testing.T) {
	dir := tree(t, map[string]string{
		"2.patch": strings.ReplaceAll(addPatch, "new.c", "b.c"), "1.patch": addPatch, "cover.txt": "x",
		"alone.mbox": addPatch + strings.ReplaceAll(addPatch, "new.c", "c.c"),
	})
	s, err := readSeries(t.Context(), dir, patchset.Reader{})
	if err != nil || len(s.Patches) != 2 || s.Patches[0].Name != "1.patch" {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = readSeries(t.Context(), filepath.Join(dir, "alone.mbox"), patchset.Reader{})
	if err != nil || len(s.Patches) != 2 || s.Patches[1].Name != "alone.mbox#2" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, bad := range []string{filepath.Join(dir, "cover.txt"), filepath.Join(dir, "none"), t.TempDir()} {
		if _, err := readSeries(t.Context(), bad, patchset.Reader{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// A series that is not for the source is one line, before anything is fetched or
// kept: for other versions it says for which, and a hunk must match to the letter.
func TestSeriesFails(t *testing.T) {
	b := newBench(t, "upstream:6.12")
	b.fails(t.Context(), b.spec("later"), "apply series later: it is for Linux >= 6.13, and base b is >= 6.12, < 6.13")
	fuzz := users(t, "--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
	files := map[string]string{}
	for name, text := range fakeTree {
		files[name] = text
	}
	files["a.c"] = "one\ntwo\nThree\n" // patch(1) takes it with fuzz
	b = newBench(t, "dir:"+tree(t, files))
	spec := b.spec("plain")
	spec.Series = fuzz
	b.fails(t.Context(), spec, "hunk 1 (line 1) of a.c does not match")
	for _, kind := range []string{"trees", "kernels"} {
		if found, _ := filepath.Glob(filepath.Join(b.cache, kind, "*")); len(found) > 0 {
			t.Errorf("left %s", found)
		}
	}
}
