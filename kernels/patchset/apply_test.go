package patchset

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

// change is a patch of file f that turns line 10 and line 30 into words.
const change = `--- a/f
+++ b/f
@@ -8,5 +8,5 @@
 8
 9
-10
+ten
 11
 12
@@ -28,5 +28,6 @@
 28
 29
-30
+thirty
+and a bit
 31
 32
`

func applyText(t *testing.T, dir, text string) (*Overlay, error) {
	t.Helper()
	s, err := Read("1.patch", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	o := NewOverlay(os.DirFS(dir), "build")
	return o, o.Apply(Series{Name: "s", Patches: s.Patches})
}

func TestApply(t *testing.T) {
	want := strings.NewReplacer("\n10\n", "\nten\n", "\n30\n", "\nthirty\nand a bit\n")
	for name, text := range map[string]string{
		"as it stands":      lines(1, 40),
		"moved down":        "a\nb\nc\n" + lines(1, 40),
		"moved up":          lines(4, 40),
		"moved apart":       lines(1, 20) + "x\ny\nz\n" + lines(21, 40),
		"no newline at end": strings.TrimSuffix(lines(1, 40), "\n"),
	} {
		o, err := applyText(t, tree(t, map[string]string{"f": text}), change)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(o.files["f"].Data); got != want.Replace(text) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestApplyFails(t *testing.T) {
	for _, c := range []struct {
		name, text, patch, want string
	}{
		{"second hunk", strings.Replace(lines(1, 40), "\n31\n", "\n3l\n", 1), change,
			"apply 1.patch of series s: hunk 2 (line 28) of f does not match"},
		{"context is to the letter", strings.Replace(lines(1, 40), "\n8\n", "\n8 \n", 1), change,
			"apply 1.patch of series s: hunk 1 (line 8) of f does not match"},
		{"hunks keep their order", lines(20, 40) + lines(1, 15), change,
			"apply 1.patch of series s: hunk 2 (line 28) of f does not match"},
		{"no such file", "", strings.ReplaceAll(change, "/f", "/g"), "g does not exist"},
		{"exists", "", strings.ReplaceAll(addPatch, "new.c", "f"), "f exists already"},
		{"outside", "", strings.ReplaceAll(addPatch, "new.c", "../new.c"), "../new.c is outside the source tree"},
		{"build directory", "", strings.ReplaceAll(addPatch, "new.c", "build/new.c"), "build/new.c is outside the source tree"},
		{"no patch", "", "hello\n", "parse patch 1.patch: no change in it"},
		{"cut short", "", addPatch[:strings.Index(addPatch, "+int x")], "parse patch 1.patch: "},
	} {
		_, err := applyText(t, tree(t, map[string]string{"f": c.text}), c.patch)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// A patch may build on what the one before it did.
func TestApplyInTurn(t *testing.T) {
	second := `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
Subject: [PATCH] change it

--- a/new.c
+++ b/new.c
@@ -1 +1,2 @@
 int x;
+int y;
`
	third := `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
Subject: [PATCH] remove another

diff --git a/f b/f
deleted file mode 100644
--- a/f
+++ /dev/null
@@ -1 +0,0 @@
-1
`
	o, err := applyText(t, tree(t, map[string]string{"f": "1\n"}), addPatch+second+third)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(o.files["new.c"].Data); got != "int x;\nint y;\n" || !o.files["f"].Gone {
		t.Errorf("got %q, %+v", got, o.files["f"])
	}
}

// Mail archives encode patches.
func TestApplyMail(t *testing.T) {
	encoded := `From mboxrd@z Thu Jan  1 00:00:00 1970
From: A <a@example.org>
Subject: [PATCH] add a file
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+int x =3D =
1;
`
	o, err := applyText(t, t.TempDir(), encoded)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(o.files["new.c"].Data); got != "int x = 1;\n" {
		t.Errorf("got %q", got)
	}
}

// git agrees with us on what a patch does.
func TestApplyAsGit(t *testing.T) {
	git := testutil.RequireProgram(t, "git")
	for name, text := range map[string]string{
		"as it stands": lines(1, 40),
		"moved":        "a\nb\nc\n" + lines(1, 20) + "x\n" + lines(21, 40),
		"not there":    lines(1, 9) + lines(11, 40),
	} {
		dir := tree(t, map[string]string{"f": text})
		o, err := applyText(t, dir, change)
		cmd := exec.Command(git, "apply", "-")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(change)
		if gitErr := cmd.Run(); (gitErr == nil) != (err == nil) {
			t.Errorf("%s: git says %v, we say %v", name, gitErr, err)
			continue
		}
		got, readErr := os.ReadFile(filepath.Join(dir, "f"))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err == nil && !bytes.Equal(got, o.files["f"].Data) {
			t.Errorf("%s: git makes it %q, we %q", name, got, o.files["f"].Data)
		}
	}
}
