package patchset

import (
	"bytes"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// FuzzRead reads anything as a mailbox. Messages are the whole file, each patch
// read alone is the same change, writing the messages as mboxrd and reading
// them again gives the same patches, and no patch touches what is outside the
// tree or the build directory.
func FuzzRead(f *testing.F) {
	one, two := mailOf("[PATCH v2 1/2] one", "a", "From here\n>From there"), mailOf("[PATCH v2 2/2] two", "b", "")
	for _, seed := range []string{
		"", change, addPatch, one + two, two + one, one, numbered(3, 1, 2, 3), nested(3),
		strings.ReplaceAll(one, "\n", "\r\n"), "From: A\nSubject: x\n\n" + change,
		strings.Replace(one, "Subject:", "Content-Transfer-Encoding: quoted-printable\nSubject:", 1),
		strings.Replace(one, "Subject:", "Content-Transfer-Encoding: base64\nSubject:", 1),
		strings.ReplaceAll(addPatch, "new.c", "../new.c"), strings.ReplaceAll(addPatch, "new.c", "build/new.c"),
		"From: A\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: x/y; name=a.patch\n\n" + addPatch + "--b\nContent-Type: x/y; name=0001-b.diff\n\n" + change + "--b--\n",
		"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n", "Binary files a/x and b/x differ\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkChunks(t, data)
		s, err := Read("x", bytes.NewReader(data))
		if err != nil {
			if strict.Printable(err.Error()) != err.Error() {
				t.Errorf("an error that is not fit for a terminal: %q", err)
			}
			return
		}
		var rd bytes.Buffer
		for _, p := range s.Patches {
			if len(p.files) == 0 {
				t.Errorf("%s has no change", p.Name)
			}
			alone, err := Read("x", bytes.NewReader(p.Data))
			if err != nil || files(alone) != files(Series{Patches: []Patch{p}}) {
				t.Errorf("%s alone is %s, %v", p.Name, files(alone), err)
			}
		}
		for _, c := range splitMailbox(data) {
			text := c.message(data)
			if !fieldLine.Match(text) || !bytes.HasSuffix(text, []byte("\n")) {
				return // no mailbox can hold a patch without a header, or half a line
			}
			rd.WriteString("From mboxrd@z Thu Jan  1 00:00:00 1970\n")
			rd.Write(mboxrdFrom.ReplaceAll(text, []byte(">$0")))
			rd.WriteString("\n")
		}
		again, err := Read("x", &rd)
		if err != nil || files(again) != files(s) {
			t.Errorf("written as mboxrd it is %q, %v, and was %q", files(again), err, files(s))
		}
		o := NewOverlay(fstest.MapFS{"f": {Data: []byte(lines(1, 40)), Mode: 0o644}, "build/f": {Data: []byte("1\n")}}, "build")
		if err := o.Apply(s); err != nil && strict.Printable(err.Error()) != err.Error() {
			t.Errorf("an error that is not fit for a terminal: %q", err)
		}
		for _, name := range o.Paths() {
			if !fs.ValidPath(name) || name == "build" || strings.HasPrefix(name, "build/") {
				t.Errorf("a patch touched %q", name)
			}
		}
	})
}

// checkChunks checks that the messages of a mailbox are all of it.
func checkChunks(t *testing.T, data []byte) {
	t.Helper()
	at := 0
	for i, c := range splitMailbox(data) {
		if c.start != at || c.end < c.start || i > 0 && !isFromLine(data[c.start:c.end]) && !bytes.HasPrefix(data[c.start:], []byte("From ")) {
			t.Fatalf("message %d is %d to %d, and the one before ends at %d", i, c.start, c.end, at)
		}
		at = c.end
	}
	if at != len(data) {
		t.Fatalf("messages end at %d of %d", at, len(data))
	}
}

// mboxrdFrom is a line that mboxrd quotes.
var mboxrdFrom = regexp.MustCompile(`(?m)^>*From `)

// FuzzVersions checks that a set of versions that can be read has a text that
// means the same, and that each bound holds.
func FuzzVersions(f *testing.F) {
	f.Add(">= 6.12, < 6.13", "6.12.117")
	f.Add("= 6.12", "6.12.0-rc1")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, set, version string) {
		v, err := ParseVersions(set)
		if err != nil {
			return
		}
		again, err := ParseVersions(v.String())
		if err != nil || again.Has(version) != v.Has(version) {
			t.Errorf("%q comes back as %v, %v", set, again, err)
		}
		whole := true
		for part := range strings.SplitSeq(set, ",") {
			if p, err := ParseVersions(part); err != nil || !p.Has(version) {
				whole = false
			}
		}
		if whole != v.Has(version) {
			t.Errorf("%q has %q = %v, and its bounds together %v", set, version, v.Has(version), whole)
		}
	})
}
