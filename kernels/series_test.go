package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
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

// The series of every kernel apply to its base, if that was fetched before.
func TestSeriesApply(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range tables.Kernels() {
		id, err := (&Builder{}).Identify(t.Context(), Spec{Kernel: k, Arch: arch.All()[0]})
		if err != nil {
			t.Errorf("kernel %s: %v", k.Name, err)
		}
		if err == nil && id.Version == "" {
			testutil.Require(t, "kernels", fmt.Errorf("%s is not in the cache", id.Source))
		}
	}
}

func TestUserSeries(t *testing.T) {
	dir := tree(t, map[string]string{
		"2.patch": strings.ReplaceAll(addPatch, "new.c", "b.c"), "1.patch": addPatch, "cover.txt": "x",
		"alone.mbox": addPatch + addPatch,
	})
	s, err := readSeries(dir)
	if err != nil || len(s.Patches) != 2 || s.Patches[0].Name != "1.patch" {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = readSeries(filepath.Join(dir, "alone.mbox"))
	if err != nil || len(s.Patches) != 2 || s.Patches[1].Name != "alone.mbox#2" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, bad := range []string{filepath.Join(dir, "cover.txt"), filepath.Join(dir, "none"), t.TempDir()} {
		if _, err := readSeries(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
