package patchset

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
)

// mailOf is a message of a mailbox as git format-patch writes it, which adds
// the file NAME.c.
func mailOf(subject, name, body string) string {
	return fmt.Sprintf(`From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Sat, 22 Nov 2025 00:00:00 +0000
Message-ID: <%s@example.org>
Subject: %s

%s
---
 %[1]s.c | 1 +

diff --git a/%[1]s.c b/%[1]s.c
new file mode 100644
--- /dev/null
+++ b/%[1]s.c
@@ -0,0 +1 @@
+%[1]s
-- 
2.39.5

`, name, subject, body)
}

// files lists what a series adds, in order.
func files(s Series) string {
	var names []string
	for _, p := range s.Patches {
		for _, f := range p.files {
			names = append(names, strings.TrimSuffix(stripPrefix(f.NewName), ".c"))
		}
	}
	return strings.Join(names, " ")
}

func TestMailbox(t *testing.T) {
	hash := strings.Repeat("0123456789", 4)
	reply := strings.Replace(mailOf("Re: [PATCH 1/2] one", "fixup", "Better:"), "Message-ID", "In-Reply-To: <a@example.org>\nMessage-ID", 1)
	answer := strings.Replace(mailOf("a better way", "fixup", "Like this?"), "Message-ID", "In-Reply-To: <a@example.org>\nMessage-ID", 1)
	quoted := "From a@example.org Sat Nov 22 10:00:00 2025\nFrom: B <b@example.org>\nSubject: Re: [PATCH 1/2] one\n\n> diff --git a/a.c b/a.c\n> --- a/a.c\n> +++ b/a.c\n> @@ -1 +1 @@\n> -x\n> +y\n\nNo.\n\n"
	one, two := mailOf("[PATCH 1/2] one", "a", "x"), mailOf("[PATCH 2/2] two", "b", "y")
	for name, c := range map[string]struct{ text, want string }{
		"two":                        {one + two, "a b"},
		"no blank line between":      {strings.TrimRight(one, "\n") + "\n" + two, "a b"},
		"a hash in a commit message": {mailOf("[PATCH] x", "a", "This is like\n\nFrom "+hash+" on:\nno.") + mailOf("[PATCH] y", "b", ""), "a b"},
		"a From line in a commit message": {mailOf("[PATCH] x", "a", "It says\n\nFrom "+hash+" Mon Sep 17 00:00:00 2001\n\nand more.") +
			mailOf("[PATCH] y", "b", ""), "a b"},
		"a whole header inside a paragraph": {mailOf("[PATCH] x", "a", "It says\nFrom "+hash+" Mon Sep 17 00:00:00 2001\nSubject: z\n"), "a"},
		"out of order":                      {two + one, "a b"},
		"ten are more than nine":            {numbered(11, 10, 2, 1, 3, 9, 8, 7, 6, 5, 4, 11), "p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11"},
		"a reply with a diff":               {one + reply + two, "a b"},
		"an answer with a diff":             {one + answer + two, "a b"},
		"an answer alone":                   {answer, "fixup"},
		"a reply with a quoted diff":        {one + quoted + two, "a b"},
		"a cover letter with an interdiff":  {mailOf("[PATCH 0/2] all", "inter", "") + one + two, "a b"},
		"the same message twice":            {one + two + one, "a b"},
		"two series, one after the other":   {one + two + mailOf("[PATCH 1/1] z", "c", ""), "a b c"},
		"one of many":                       {mailOf("[PATCH 3/7] z", "c", ""), "c"},
		"no tags":                           {mailOf("z", "c", "") + mailOf("a", "a", ""), "c a"},
		"other tags":                        {mailOf("[RFC PATCH net v3 2/2] z", "c", "") + mailOf("[RFC PATCH net v3 1/2] y", "a", ""), "a c"},
		"CRLF":                              {strings.ReplaceAll(one, "\n", "\r\n"), "a"},
		"a public inbox":                    {strings.ReplaceAll(one+two, "From "+hash+" Mon Sep 17 00:00:00 2001", "From mboxrd@z Thu Jan  1 00:00:00 1970"), "a b"},
		"a mailer's date":                   {strings.ReplaceAll(one+two, "Mon Sep 17 00:00:00 2001", "Tue Nov  4 12:13:14 2025 +0100"), "a b"},
	} {
		s, err := Read("x.mbox", strings.NewReader(c.text))
		if err != nil || files(s) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, files(s), err, c.want)
		}
	}
	v2 := mailOf("Re: [PATCH v2 1/1] one", "r", "> quoted") + mailOf("[PATCH v2 2/2] two", "d", "") + mailOf("[PATCH v2 1/2] one", "c", "")
	notes := map[string]struct{ text, want, note string }{
		"two versions":                {one + two + v2, "c d", "v2 of the series is taken and v1 (2 mails) left out"},
		"a series, and another patch": {one + two + mailOf("[PATCH] other", "e", ""), "a b", "x.mbox#3 ([PATCH] other) is left out: it has no number, and the series beside it has"},
		"a patch that v2 has no more": {numbered(3, 1, 2, 3) + strings.ReplaceAll(v2, "/2] one", "/2] x 1"), "c d", "v2 of the series is taken and v1 (3 mails) left out"},
		"three versions of one":       {mailOf("[PATCHv3] z", "a", "") + mailOf("[PATCH] z", "b", "") + mailOf("[PATCH v2] z", "c", ""), "a", "v3 of the series is taken and v1 (1 mail), v2 (1 mail) left out"},
		"two numberings in a series": {numbered(3, 1, 2) + mailOf("[PATCH 1/2] y", "c", "") + mailOf("[PATCH 2/2] z", "d", ""), "p1 p2 c d",
			"the numbers of the patches are no single series: they are applied in the order of the file"},
		"characters that reorder": {strings.Replace(one+two, "+a\n", "+/* \u202e */\n", 1), "a b", "x.mbox#1: line 1 of a.c has U+202E, which reorders the text around it"},
	}
	for name, c := range notes {
		s, err := Read("x.mbox", strings.NewReader(c.text))
		if err != nil || files(s) != c.want || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], c.note) {
			t.Errorf("%s: %s, %q, %v; want %s and %q", name, files(s), s.Notes, err, c.want, c.note)
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(two + one)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if s, err := Read("t.mbox.gz", &packed); err != nil || files(s) != "a b" {
		t.Errorf("packed: %s, %v", files(s), err)
	}
	if _, _, err := applyAll(one + two); err != nil {
		t.Error(err)
	}
}

func applyAll(text string) (Series, *Overlay, error) {
	s, err := Read("x", strings.NewReader(text))
	if err != nil {
		return s, nil, err
	}
	o := NewOverlay(fstest.MapFS{}, "build")
	return s, o, o.Apply(s)
}

// numbered is a mailbox of patches of a series, in the order given.
func numbered(total int, order ...int) string {
	var b strings.Builder
	for _, n := range order {
		b.WriteString(mailOf(fmt.Sprintf("[PATCH %d/%d] x %d", n, total, n), fmt.Sprint("p", n), ""))
	}
	return b.String()
}

func TestMailboxFails(t *testing.T) {
	one := mailOf("[PATCH 1/2] one", "a", "x")
	for name, c := range map[string]struct{ text, want string }{
		"another series of v2":        {numbered(3, 1, 2, 3) + mailOf("[PATCH v2 2/2] two", "d", "") + mailOf("[PATCH v2 1/2] one", "c", ""), "share no title and no thread"},
		"one patch of another series": {numbered(2, 1, 2) + mailOf("[PATCH v2 2/2] two", "b", ""), "share no title and no thread"},
		"a part of a newer version":   {numbered(2, 1, 2) + mailOf("[PATCH v2 2/2] x 2", "b", ""), "v2 of the series is taken and v1 (2 mails) left out, and patch 1 of 2 is missing"},
		"a no-break space in a hunk":  {strings.Replace(one, "@@ -0,0", "@@\u00a0-0,0", 1), "found a diff, it is damaged at line 9 of its text: there is a no-break space"},
		"a wrapped name of a file":    {strings.Replace(one, "diff --git a/a.c b/a.c\nnew file mode 100644\n--- /dev/null\n+++ b/a.c\n", "diff --git a/a.c\n", 1), "found a diff, it is damaged: "},
		"a hunk without a file":       {"From: A <a@example.org>\nSubject: x\n\n@@ -1,2 +1,2 @@\n a\n", "found a diff, it is damaged"},
		"one missing":                 {numbered(4, 1, 4), "patch 2, 3 of 4 is missing"},
		"the end missing":             {numbered(4, 1, 2), "patch 3, 4 of 4 is missing"},
		"two series, mixed":           {numbered(2, 1) + numbered(3, 1, 2, 3) + mailOf("[PATCH 2/2] z", "z", ""), "patches of several series, out of order"},
		"replies only":                {mailOf("Re: [PATCH 1/2] one", "a", "") + mailOf("RE: [PATCH] one", "b", ""), "its only changes are in replies"},
		"a cover letter only":         {mailOf("[PATCH 0/2] one", "a", ""), "in a cover letter"},
		"no change":                   {"From: A <a@example.org>\nSubject: x\n\nhello\n", "no change in it"},
		"base64 that is none":         {strings.Replace(one, "Subject:", "Content-Transfer-Encoding: base64\nSubject:", 1), "parse patch x.mbox"},
		"an encoding nobody knows":    {strings.Replace(one, "Subject:", "Content-Transfer-Encoding: x-unknown\nSubject:", 1), "parse patch x.mbox"},
		"a multipart without an end":  {"From: A <a@example.org>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n", "parse patch x.mbox"},
		"parts in parts without end":  {nested(20), "parts lie 8 deep in parts"},
		"a diff that is cut":          {one[:strings.Index(one, "+a\n-- ")], "parse patch x.mbox"},
		"a header without an end":     {"Subject: x\n" + strings.Repeat("x", 2<<20), "parse patch x.mbox"},
		"nothing":                     {"", "no change in it"},
		"an escape sequence in a tag": {numbered(2, 1) + mailOf("[PATCH \x1b]0;x\a 1/2] x", "b", ""), ""},
	} {
		_, err := Read("x.mbox", strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
	}
}

func nested(depth int) string {
	text := "Content-Type: text/plain\n\nhello\n"
	for i := range depth {
		text = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%[1]d\n%s\n--b%[1]d--\n", i, text)
	}
	return "From: A <a@example.org>\n" + text
}

// A patch may come as an attachment, and in base64.
func TestMultipart(t *testing.T) {
	diff := "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+int x;\n"
	text := "From: A <a@example.org>\nSubject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\nContent-Type: text/plain; charset=iso-8859-15\n\nSee the attachment.\n" +
		"--b\nContent-Type: application/octet-stream\n\n--- a/no\n" +
		"--b\nContent-Type: text/x-patch\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.ReplaceAll(diff, "=", "=3D") + "\n--b--\n"
	_, o, err := applyAll(text)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := o.Read("new.c"); err != nil || string(f.Data) != "int x;\n" {
		t.Errorf("%q, %v", f.Data, err)
	}
}

// What stands in the file of a source that is not UTF-8 is not touched.
func TestCharset(t *testing.T) {
	text := strings.Replace(mailOf("[PATCH] x", "a", ""), "+a\n", "+caf\xe9\n", 1)
	text = strings.Replace(text, "Subject:", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\nSubject:", 1)
	_, o, err := applyAll(text)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := o.Read("a.c"); string(f.Data) != "caf\xe9\n" {
		t.Errorf("got %q", f.Data)
	}
}

// The quoting of mboxrd is undone, and that of writers who do not quote is not
// mistaken for it.
func TestQuotedFrom(t *testing.T) {
	body := "\n>From here\n>>From there\n>Fromage\n+>From a diff\n"
	for from, want := range map[string]string{
		"From mboxrd@z Thu Jan  1 00:00:00 1970\n":                          "\nFrom here\n>From there\n>Fromage\n+>From a diff\n",
		"From " + strings.Repeat("a", 40) + " Mon Sep 17 00:00:00 2001\n":   body,
		"From git@z Thu Jan  1 00:00:00 1970\n":                             body,
		"From someone@example.org Tue Nov  4 12:13:14 2025\n":               "\nFrom here\n>From there\n>Fromage\n+>From a diff\n",
		"From " + strings.Repeat("a", 64) + " Mon Sep 17 00:00:00 2001\r\n": body,
	} {
		data := []byte(from + "Subject: x\n" + body)
		chunks := splitMailbox(data)
		if got := string(chunks[0].message(data)); len(chunks) != 1 || got != "Subject: x\n"+want {
			t.Errorf("%s: %q", from, got)
		}
	}
}

// A directory is read in the order of the numbers in the subjects, and else of
// the names.
func TestReadDir(t *testing.T) {
	dir := func(texts ...string) fstest.MapFS {
		fsys := fstest.MapFS{}
		for i, text := range texts {
			fsys[fmt.Sprintf("%d.patch", i+1)] = &fstest.MapFile{Data: []byte(text)}
		}
		return fsys
	}
	for name, c := range map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"names":                 {dir(mailOf("[PATCH] x", "a", ""), mailOf("[PATCH] y", "b", "")), "a b"},
		"numbers":               {dir(mailOf("[PATCH 10/10] x", "a", ""), mailOf("[PATCH 9/10] y", "b", "")), "b a"},
		"one of them taken out": {dir(mailOf("[PATCH 1/10] x", "a", ""), mailOf("[PATCH 9/10] y", "b", "")), "a b"},
		"plain diffs":           {dir("--- /dev/null\n+++ b/a.c\n@@ -0,0 +1 @@\n+x\n"), "a"},
	} {
		s, err := ReadDir(c.fsys, "d")
		if err != nil || files(s) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, files(s), err, c.want)
		}
	}
	if s, err := ReadDir(dir(mailOf("[PATCH] x", "a", ""), mailOf("[PATCH v2] x", "b", "")), "d"); err != nil || files(s) != "b" || len(s.Notes) != 1 {
		t.Errorf("two versions: %s, %q, %v", files(s), s.Notes, err)
	}
	mails := fstest.MapFS{
		"new/1:2,S": {Data: []byte(mailOf("[PATCH 2/2] y", "b", ""))}, "cur/2:2,S": {Data: []byte(mailOf("[PATCH 1/2] x", "a", ""))},
		"cur/3:2,S": {Data: []byte("From: B <b@example.org>\nSubject: Re: [PATCH 1/2] x\n\n> +a\nNo.\n")}, "tmp/4": {Data: []byte("half a mail")},
	}
	if s, err := ReadDir(mails, "d"); err != nil || files(s) != "a b" {
		t.Errorf("a maildir: %s, %v", files(s), err)
	}
	delete(mails, "cur/2:2,S")
	if _, err := ReadDir(fstest.MapFS{"cur/1": {Data: []byte("From: B <b@example.org>\nSubject: x\n\nNo.\n")}}, "d"); err == nil || !strings.Contains(err.Error(), "no change in it") {
		t.Errorf("a maildir without a patch: %v", err)
	}
}

// denied is a file system in which one file cannot be opened.
type denied struct {
	fstest.MapFS
	name string
}

func (d denied) Open(name string) (fs.File, error) {
	if name == d.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}

func (d denied) ReadFile(name string) ([]byte, error) {
	if name == d.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.ReadFile(name)
}

// A series.toml that cannot be read is not taken for one that is absent: the
// versions in it would not be checked.
func TestUnreadable(t *testing.T) {
	good := fstest.MapFS{"1.patch": {Data: []byte(addPatch)}, "series.toml": {Data: []byte("versions = \">= 6.13\"")}}
	if s, err := ReadDir(good, "d"); err != nil || s.Versions.Has("6.12") {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := ReadDir(fstest.MapFS{"1.patch": good["1.patch"]}, "d"); err != nil || !s.Versions.Has("6.12") {
		t.Errorf("without series.toml: %+v, %v", s, err)
	}
	for _, name := range []string{"series.toml", "1.patch"} {
		if _, err := ReadDir(denied{good, name}, "d"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read("x", iotest.ErrReader(fs.ErrPermission)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// endless is a file that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestTooLarge(t *testing.T) {
	if _, err := Read("x", endless{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an endless file: %v", err)
	}
	many := fstest.MapFS{}
	for i := range maxFiles + 1 {
		many[fmt.Sprint(i, ".patch")] = &fstest.MapFile{Data: []byte(addPatch)}
	}
	if _, err := ReadDir(many, "d"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many files: %v", err)
	}
	large := fstest.MapFS{}
	for i := range 3 {
		large[fmt.Sprint(i, ".patch")] = &fstest.MapFile{Data: append([]byte(addPatch), make([]byte, maxBytes/2)...)}
	}
	if _, err := ReadDir(large, "d"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large files: %v", err)
	}
}
