package patchset

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestFuzz(t *testing.T) {
	for _, c := range []struct {
		name, text string
		fuzz       int
		want       string // the text about the hunks that need fuzz
		mismatch   string // the error
	}{
		{"it is not needed", lines(1, 40), 2, "", ""},
		{"first line of context", strings.Replace(lines(1, 40), "\n8\n", "\neight\n", 1), 2,
			"1.patch: hunk 1 of f applies at line 9 with fuzz 1", ""},
		{"both lines before", strings.Replace(lines(1, 40), "\n8\n9\n", "\nx\ny\n", 1), 2,
			"1.patch: hunk 1 of f applies at line 10 with fuzz 2", ""},
		{"last line, moved", "a\n" + strings.Replace(lines(1, 40), "\n32\n", "\nx\n", 1), 2,
			"1.patch: hunk 2 of f applies at line 30 with fuzz 1", ""},
		{"more than is allowed", strings.Replace(lines(1, 40), "\n8\n9\n", "\nx\ny\n", 1), 1, "", "hunk 1 (line 8) of f does not match"},
		{"none is allowed", strings.Replace(lines(1, 40), "\n8\n", "\nx\n", 1), 0, "", "hunk 1 (line 8) of f does not match"},
		{"what is changed must match", strings.Replace(lines(1, 40), "\n10\n", "\nx\n", 1), 2, "", "hunk 1 (line 8) of f does not match"},
	} {
		s, err := Read("1.patch", strings.NewReader(change))
		if err != nil {
			t.Fatal(err)
		}
		s.Fuzz = c.fuzz
		o := NewOverlay(os.DirFS(tree(t, map[string]string{"f": c.text})), "build")
		err = o.Apply(s)
		switch {
		case c.mismatch != "":
			if err == nil || !strings.Contains(err.Error(), c.mismatch) {
				t.Errorf("%s: %v, want %s", c.name, err, c.mismatch)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, f := range o.Fuzz {
			got = append(got, f.Patch+": "+f.Text)
		}
		if got := strings.Join(got, "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		want := strings.NewReplacer("\n10\n", "\nten\n", "\n30\n", "\nthirty\nand a bit\n").Replace(c.text)
		if got := string(o.files["f"].Data); got != want {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
}

// Fuzz never puts lines where nothing, or several places, look like the rest of a hunk.
func TestFuzzIsSure(t *testing.T) {
	for name, c := range map[string]struct{ text, patch string }{
		"nothing is left to compare": {lines(1, 40), "--- a/f\n+++ b/f\n@@ -9,2 +9,3 @@\n nine\n+new\n ten\n"},
		"two places":                 {"a\nx\nb\nc\nx\nd\n", "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n C\n-x\n+y\n D\n"},
	} {
		s, err := Read("1.patch", strings.NewReader(c.patch))
		if err != nil {
			t.Fatal(err)
		}
		s.Fuzz = 2
		if err := NewOverlay(os.DirFS(tree(t, map[string]string{"f": c.text})), "build").Apply(s); err == nil {
			t.Errorf("%s: it applies", name)
		}
	}
}

// The error has the lines that are there now, wherever they have moved.
func TestMismatch(t *testing.T) {
	_, err := applyText(t, tree(t, map[string]string{"f": "a\nb\n" + strings.Replace(lines(1, 40), "\n10\n", "\nX\n", 1)}), change)
	var m *MismatchError
	if !errors.As(err, &m) {
		t.Fatalf("%v, want a MismatchError", err)
	}
	if got := strings.Join(m.Want, " "); got != "8 9 10 11 12" {
		t.Errorf("it wants %s", got)
	}
	if got := strings.Join(m.Have, " "); got != "8 9 X 11 12" || m.At != 10 || m.Hunk != 1 || m.File != "f" {
		t.Errorf("it has %s at line %d, hunk %d of %s", got, m.At, m.Hunk, m.File)
	}
}

func TestVersionOfReader(t *testing.T) {
	both := mailOf("[PATCH 1/1] x", "a", "") + mailOf("[PATCH v2 1/1] x", "b", "") + mailOf("[PATCH v3 1/1] x", "c", "")
	for version, want := range map[int]string{0: "c", 1: "a", 2: "b", 3: "c"} {
		s, err := Reader{Version: version}.Read("m", strings.NewReader(both))
		if err != nil || files(s) != want {
			t.Errorf("version %d: %s, %v, want %s", version, files(s), err, want)
		}
	}
	if _, err := (Reader{Version: 4}).Read("m", strings.NewReader(both)); err == nil || !strings.Contains(err.Error(), "it has no v4; it has v1, v2, v3") {
		t.Errorf("version 4: %v", err)
	}
}

// What a cover letter tells of the base, and what is below --- of a patch, is a hint; a
// commit's message is none.
func TestHintTold(t *testing.T) {
	cover := func(text string) string {
		return "From a@example.org Sat Nov 22 10:00:00 2025\nFrom: A <a@example.org>\nSubject: [PATCH 0/1] all\n\n" + text + "\n\n" + mailOf("[PATCH 1/1] x", "a", "")
	}
	for text, want := range map[string]string{
		cover("Based on v6.1-rc4."): "6.1",
		cover("This series is based on Linus' tree, tag v6.13-rc1, and more"):                                             "6.13",
		cover("The series applies cleanly on top of\nlinux-6.12.y"):                                                       "6.12",
		cover("Against 6.12.107 and rebased on v6.13"):                                                                    "6.12 6.13",
		cover("It was introduced in v6.1. It is based on an idea."):                                                       "",
		cover("based on feedback. Tested with 6.12"):                                                                      "",
		mailOf("[PATCH] x", "a", ""):                                                                                      "",
		strings.Replace(mailOf("[PATCH] x", "a", ""), "\n\n", "\n\nThis is based on v6.1.\n\n", 1):                        "",
		strings.Replace(mailOf("[PATCH] x", "a", ""), "\n\n", "\n\nText.\n---\nBased on v6.1\n\ndiff --git a/a b/a\n", 1): "6.1",
	} {
		s, err := Read("m", strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := strings.Join(s.Hint.Told, " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestHint(t *testing.T) {
	cover := func(tag, text string) string {
		return "From a@example.org Sat Nov 22 10:00:00 2025\nFrom: A <a@example.org>\nSubject: [" + tag + "] all\n\n" + text + "\n\n"
	}
	commit := strings.Repeat("0123456789", 4)
	for _, c := range []struct{ text, commit, versions string }{
		{mailOf("[PATCH] x", "a", ""), "", ""},
		{mailOf("[PATCH 6.12.y] x", "a", ""), "", "6.12"},
		{mailOf("[PATCH 6.12.85 1/1] x", "a", ""), "", "6.12"},
		{mailOf("[PATCH AUTOSEL 6.16-5.10] x", "a", ""), "", "6.16 5.10"},
		{mailOf("[PATCH v2 1/1] x", "a", ""), "", ""},
		{mailOf("[PATCH] x", "a", "") + "\nbase-commit: " + commit + "\n", commit, ""},
		{cover("PATCH 0/1", "base-commit: "+commit) + mailOf("[PATCH 1/1] x", "a", ""), commit, ""},
		{cover("PATCH 0/1", "base-commit: "+commit) + mailOf("[PATCH v2 1/1] x", "a", ""), "", ""},
	} {
		s, err := Read("m", strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := strings.Join(s.Hint.Versions, " "); s.Hint.Commit != c.commit || got != c.versions {
			t.Errorf("%q: commit %q, versions %q", c.text, s.Hint.Commit, got)
		}
	}
}
