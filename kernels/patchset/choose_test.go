package patchset

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestChoose: Read takes the mails of one series from a mailbox, and its notes name the
// mails that it leaves out.
func TestChoose(t *testing.T) {
	three := many("[PATCH %d/%d]", 3, 1, 2, 3)
	from := func(l letter, who, to string) string {
		return strings.Replace(loreFrom+"\n"+l.String(), "From: A. U. Thor <a@example.org>", "From: B <"+who+">\nIn-Reply-To: <"+to+"@example.org>", 1)
	}
	one := func(subject, file string) letter { return letter{subject: subject, id: "id-" + file, file: file} }
	bad := func(header, body string) string {
		return loreFrom + "\nFrom: B <b@example.org>\nMessage-ID: <bad@x>\n" + header + "\n\n" + body + "\n\n"
	}
	again := func(tag string) (list []letter) {
		for _, l := range three {
			l.subject, l.id = strings.Replace(l.subject, "[PATCH", "["+tag, 1), "again"+l.id
			list = append(list, l)
		}
		return list
	}
	noID := strings.ReplaceAll(box(loreFrom, three...), "Message-ID:", "X-Other:")
	damaged := strings.Replace(box(loreFrom, one("[PATCH] x 1", "old")), "@@ -0,0 +1 @@", "@@ -0,0\n+1 @@", 1)
	for _, c := range []struct{ name, text, want, note, err string }{
		{"unrelated series", box(loreFrom, append(many("[PATCH v2 %d/%d] other", 2, 1, 2), many("[PATCH %d/%d] mine", 2, 1, 2)...)...), "", "",
			`it has two series, which share no title and no thread: x#2 (v2 2/2 "other x 2") and x#3 (v1 1/2 "mine x 1")`},
		{"all titles new, one thread", box(loreFrom, many("[PATCH %d/%d] mine", 2, 1, 2)...) + from(one("[PATCH v2 1/1] new", "n"), "a@example.org", "[PATCH_%d/%d]_mine-2-1"), "n", "v2 of the series is taken and v1 (2 mails) left out", ""},
		{"all titles new, one cover letter", box(loreFrom, letter{subject: "[PATCH 0/1] all", id: "c1"}, one("[PATCH 1/1] a", "a"), letter{subject: "[PATCH v2 0/1] all", id: "c2"}, one("[PATCH v2 1/1] b", "b")), "b", "v1 (1 mail) left out", ""},
		{"two versions, and another patch", mailOf("[PATCH 1/2] one", "a", "") + mailOf("[PATCH 2/2] two", "b", "") + mailOf("[PATCH v2 1/2] one", "c", "") + mailOf("[PATCH v2 2/2] two", "d", "") + mailOf("[PATCH] other", "e", ""), "c d", "x#5 ([PATCH] other) is left out: it has no number", ""},
		{"another one's patch in the thread", box(loreFrom, three...) + from(one("[PATCH] how about this instead", "alt"), "b@example.org", three[0].id), "p1 p2 p3", "x#4 ([PATCH] how about this instead) is left out", ""},
		{"another one's series in the thread", box(loreFrom, three...) + from(one("[PATCH 1/1] like this", "alt"), "b@example.org", three[0].id), "p1 p2 p3", "x#4 ([PATCH 1/1] like this) is left out: its sender answers", ""},
		{"another one's patch for a patch", box(loreFrom, one("[PATCH] x", "a")) + from(one("[PATCH] y", "alt"), "b@example.org", "id-a"), "a", "x#2 ([PATCH] y) is left out: its sender answers", ""},
		{"sent again", box(loreFrom, append(three, again("PATCH RESEND")...)...), "p1 p2 p3", "", ""},
		{"sent again, other", box(loreFrom, one("[PATCH] x", "a"), one("[PATCH RESEND] x", "b")), "b", "x#2 takes the place of x#1", ""},
		{"copies without a Message-ID", noID + noID, "p1 p2 p3", "", ""},
		{"one patch anew", box(loreFrom, append(many("[PATCH v2 %d/%d]", 3, 1, 2, 3), one("[PATCH v2.1 2/3] y", "new"))...), "p1 new p3", "x#4 takes the place of x#2", ""},
		{"a fixup", box(loreFrom, append([]letter{one("[PATCH 3/3 fixup] z", "fix"), one("[PATCH 4/3] more", "more")}, three...)...), "p1 p2 p3 fix more", "", ""},
		{"a series of fixups", box(loreFrom, many("[PATCH fix %d/%d]", 2, 2, 1)...), "p1 p2", "", ""},
		{"a reply in broken base64", box(loreFrom, three...) + bad("Subject: Re: [PATCH 1/3] x 1\nContent-Transfer-Encoding: base64", "!!!"), "p1 p2 p3", "", ""},
		{"a reply without an end", box(loreFrom, three...) + bad("Subject: Re: [PATCH 1/3] x 1\nContent-Type: multipart/mixed; boundary=b", "--b\n\nhello"), "p1 p2 p3", "", ""},
		{"an answer with half a hunk", box(loreFrom, three...) + bad("Subject: thoughts\nIn-Reply-To: <x>", "maybe\n\n@@ -1,3 +1,3 @@\n foo"), "p1 p2 p3", "", ""},
		{"a bot's report", box(loreFrom, three...) + bad("Subject: [syzbot] report", "@@ -1,3 +1,3 @@\n foo"), "p1 p2 p3", "x#4 is left out: parse patch x#4: found a diff, it is damaged", ""},
		{"a damaged first version", damaged + box(loreFrom, one("[PATCH v2] x 1", "new")), "new", "v1 (1 mail) left out", ""},
		{"a damaged second version", box(loreFrom, one("[PATCH] x 1", "old")) + strings.NewReplacer("[PATCH]", "[PATCH v2]", "id-old", "id-v2").Replace(damaged), "", "", "parse patch x#2: found a diff, it is damaged"},
		{"a damaged patch of the series", strings.Replace(box(loreFrom, three...), "@@ -0,0 +1 @@\n+p2", "@@ -0,0\n+1 @@\n+p2", 1), "", "", "parse patch x#2: found a diff"},
		{"no diff in a numbered one", strings.Replace(box(loreFrom, three...), "diff --git a/p2.c b/p2.c\nnew file mode 100644\n--- /dev/null\n+++ b/p2.c\n@@ -0,0 +1 @@\n", "", 1), "", "", "parse patch x#2: no change in it"},
		{"the first of three", box(loreFrom, three[:1]...), "p1", "patch 2, 3 of 3 is missing", ""},
		{"the second of three", box(loreFrom, three[1:2]...), "p2", "patch 1, 3 of 3 is missing", ""},
		{"no first line that is known", strings.ReplaceAll(box(loreFrom, three...), loreFrom, "From b at Monday"), "p1 p2 p3", "x: line 1 may start another mail, but its", ""},
	} {
		s, err := Read("x", strings.NewReader(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		quiet := c.note == "" && len(s.Notes) > 0
		if err != nil || files(s) != c.want || !strings.Contains(strings.Join(s.Notes, "\n"), c.note) || quiet {
			t.Errorf("%s: %s, %q, %v; want %s and %q", c.name, files(s), s.Notes, err, c.want, c.note)
		}
	}
	if s, err := (Reader{Version: 1}).Read("x", strings.NewReader(box(loreFrom, append(many("[PATCH v2 %d/%d] other", 2, 1, 2), many("[PATCH %d/%d] mine", 2, 1, 2)...)...))); err != nil || len(s.Patches) != 2 {
		t.Errorf("one of two unrelated: %+v, %v", s.Notes, err)
	}
	if s, err := (Reader{Part: true}).Read("x", strings.NewReader(box(loreFrom, one("[PATCH v2 3/3 fixup] z", "fix")))); err != nil || len(s.Notes) > 0 {
		t.Errorf("a part: %q, %v", s.Notes, err)
	}
	twice := noID + strings.Replace(noID, "[PATCH 1/3]", "[PATCH v2 1/3]", 1)
	if s, err := (Reader{Commits: true}).Read("x", strings.NewReader(twice)); err != nil || len(s.Patches) != 6 {
		t.Errorf("commits: %d, %v", len(s.Patches), err)
	}
}

// A directory as git format-patch --cover-letter writes it, and one with a part taken out.
func TestCoverInDirectory(t *testing.T) {
	commit := strings.Repeat("0123456789", 4)
	dir := fstest.MapFS{"0000-cover-letter.patch": {Data: []byte("From: A <a@example.org>\nSubject: [PATCH 0/3] all\n\nText.\n\nbase-commit: " + commit + "\n")}}
	for i, l := range many("[PATCH %d/%d]", 3, 1, 2, 3) {
		dir[fmt.Sprintf("%04d-x.patch", i+1)] = &fstest.MapFile{Data: []byte(l.String())}
	}
	list := []string{"0003-x.patch", "0001-x.patch", "0002-x.patch", "0000-cover-letter.patch"}
	for _, read := range []func() (Series, error){
		func() (Series, error) { return ReadDir(dir, "d") },
		func() (Series, error) { return Reader{}.ReadFiles(dir, list, "d") },
	} {
		if s, err := read(); err != nil || files(s) != "p1 p2 p3" || s.Hint.Commit != commit || len(s.Notes) > 0 {
			t.Errorf("%s, %+v, %v", files(s), s, err)
		}
	}
	if !AreParts(dir, list) || AreParts(dir, []string{"0001-x.patch", "0001-x.patch"}) {
		t.Error("AreParts is wrong")
	}
	dir["0002-x.patch"] = &fstest.MapFile{Data: []byte("half\n")}
	for _, text := range []string{"half\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n", "Subject: x\n\nhalf\n"} {
		dir["0002-x.patch"] = &fstest.MapFile{Data: []byte(text)}
		for _, read := range []func() (Series, error){
			func() (Series, error) { return ReadDir(dir, "d") },
			func() (Series, error) { return Reader{}.ReadFiles(dir, list, "d") },
		} {
			if s, err := read(); err == nil || !strings.Contains(err.Error(), "parse patch 0002-x.patch: ") {
				t.Errorf("%q beside good patches: %s, %q, %v", text, files(s), s.Notes, err)
			}
		}
	}
	dir["series.toml"] = &fstest.MapFile{Data: []byte("cover = \"0000-cover-letter.patch\"\n")}
	if _, err := ReadDir(dir, "d"); err == nil || !strings.Contains(err.Error(), "0002-x.patch: no change in it") {
		t.Errorf("with series.toml: %v", err)
	}
	delete(dir, "0001-x.patch")
	delete(dir, "0002-x.patch")
	delete(dir, "0003-x.patch")
	delete(dir, "series.toml")
	if _, err := ReadDir(dir, "d"); err == nil || !strings.Contains(err.Error(), "no change in it") {
		t.Errorf("a cover letter alone: %v", err)
	}
}

// TestEncodings: forms of a mail that programs and lists write, and what cannot be read.
func TestEncodings(t *testing.T) {
	diff := "Text.\n---\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n-2\n+two two\n 3\n"
	mail := func(header, body string) string {
		return "From: A <a@example.org>\nSubject: [PATCH] x\n" + header + "\n" + body
	}
	coded := base64.StdEncoding.EncodeToString([]byte(diff))
	b64 := "Content-Transfer-Encoding: base64\n"
	stuffed := strings.ReplaceAll(diff, "\n ", "\n  ")
	flowed := "Content-Type: text/plain; charset=UTF-8; format=flowed"
	wrapped := strings.Replace(stuffed, "+two two", "+two \ntwo", 1)
	parts := "Content-Type: multipart/mixed; boundary=b\n"
	for _, c := range []struct{ name, text, note, err string }{
		{"plain", mail("", diff), "", ""},
		{"a byte order mark", "\ufeff" + mail("", diff), "", ""},
		{"a byte order mark in front of base64", "\ufeff" + mail(b64, coded), "", ""},
		{"base64 with a list's footer", mail(b64, coded+"\n_______\nlist mailing list\nlist@example.org\n"), "", ""},
		{"base64 with a bad line", mail(b64, coded[:12]+"!\n"+coded[12:]), "", "illegal base64"},
		{"base64 with a bad end", mail(b64, coded[:40]+"\n"+coded[40:len(coded)-4]+"!!!\n"), "", "unexpected EOF"},
		{"flowed", mail(flowed+"\n", stuffed), "format=flowed", ""},
		{"flowed, with a soft break", mail(flowed+"\n", wrapped), "format=flowed", ""},
		{"flowed by name only", mail(flowed+"\n", diff), "", ""},
		{"flowed with DelSp", mail(flowed+"; delsp=yes\n", strings.Replace(wrapped, "+two \ntwo", "+two  \ntwo", 1)), "format=flowed", ""},
		{"clear-signed", mail("", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"+strings.ReplaceAll(diff, "\n-", "\n- -")+"-----BEGIN PGP SIGNATURE-----\n-x\n-----END PGP SIGNATURE-----\n"), "", ""},
		{"UTF-16", "\xff\xfeF\x00r\x00", "", "it is UTF-16 text"},
		{"xz", "\xfd7zXZ\x00\x00", "", "compressed with xz"},
		{"bzip2", "BZh91AY", "", "compressed with bzip2"},
		{"HTML", mail("Content-Type: text/html\n", "<pre>"+diff), "", "what else it has is not read: HTML"},
		{"an attachment", mail(parts, "--b\n\nhello\n--b\nContent-Type: application/gzip; name=fix.patch.gz\n\nx\n--b--\n"), "", "the file fix.patch.gz"},
		{"a forwarded mail", mail(parts, "--b\n\nhello\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\nx\n--b--\n"), "", "a mail that is attached"},
		{"carriage returns only", strings.ReplaceAll(mail("", diff), "\n", "\r"), "", "carriage return"},
	} {
		s, err := Read("x", strings.NewReader(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || s.Patches[0].Subject != "[PATCH] x" || !strings.Contains(strings.Join(s.Notes, "\n"), c.note) || c.note == "" && len(s.Notes) > 0 {
			t.Errorf("%s: %q, %v", c.name, s.Notes, err)
			continue
		}
		o := NewOverlay(fstest.MapFS{"f": {Data: []byte("1\n2\n3\n"), Mode: 0o644}}, "build")
		if err := o.Apply(s); err != nil || string(o.files["f"].Data) != "1\ntwo two\n3\n" {
			t.Errorf("%s: %v, %q", c.name, err, o.files["f"].Data)
		}
	}
}

// TestFromLines: what programs write in front of a mail.
func TestFromLines(t *testing.T) {
	for _, line := range []string{
		"From a@example.org Mon Jul 28 11:15 2025", "From a@example.org Mon Jul 28 11:15:15 2025 remote from host",
		"From a@example.org 2025-07-28T11:15:15Z", "From a at example.org  Mon, 28 Jul 2025 11:15:15 +0000",
	} {
		if s, err := Read("x", strings.NewReader(box(line, many("[PATCH %d/%d]", 2, 1, 2)...))); err != nil || files(s) != "p1 p2" || len(s.Patches) != 2 {
			t.Errorf("%s: %s, %v", line, files(s), err)
		}
	}
}

// TestStrange: each line of a patch that is not what it looks like is named.
func TestStrange(t *testing.T) {
	plain := mailOf("[PATCH] x", "a", "Text.")
	for name, c := range map[string]struct{ text, want string }{
		"sound":               {plain, ""},
		"a name of a person":  {strings.Replace(plain, "Text.", "J\u00fcrgen\u00a0B", 1), ""},
		"zero width":          {strings.Replace(plain, "\n+a\n", "\n+a\u200b\n", 1), "line 1 of a.c has U+200B, which does not show"},
		"an escape":           {strings.Replace(plain, "\n+a\n", "\n+\x1b[2Ka\n", 1), "line 1 of a.c has U+001B, a control character"},
		"a carriage return":   {strings.Replace(plain, "\n+a\n", "\n+/* a */\rint b;\n", 1), "line 1 of a.c has U+000D"},
		"in the message":      {strings.Replace(plain, "Text.", "Text \u202e.", 1), "line 1 of the message has U+202E, which reorders"},
		"in the subject":      {strings.Replace(plain, "[PATCH] x", "[PATCH] x\u202e", 1), "the subject has U+202E"},
		"in a name":           {strings.ReplaceAll(plain, "a.c", "a\u202e.c"), `the name of a file, a\u202e.c, has U+202E`},
		"letters alike":       {strings.Replace(plain, "\n+a\n", "\n+int kern\u0435l;\n", 1), "Latin and Cyrillic"},
		"a no-break space":    {strings.Replace(plain, "\n+a\n", "\n+int\u00a0a;\n", 1), "line 1 of a.c has a no-break space"},
		"one of Latin-1":      {strings.Replace(plain, "\n+a\n", "\n+int\xa0a;\n", 1), "line 1 of a.c has a no-break space"},
		"in what is replaced": {strings.Replace(change, "\n 9\n-10", "\n 9\n-1\u00a00", 1), "line 10 of f, which it removes, has a no-break space"},
		"too many":            {strings.Replace(plain, "@@ -0,0 +1 @@\n+a\n", "@@ -0,0 +1,12 @@\n"+strings.Repeat("+\u200b\n", 12), 1), "2 more of its lines"},
	} {
		s, err := Read("x", strings.NewReader(c.text))
		if notes := strings.Join(s.Notes, "\n"); err != nil || !strings.Contains(notes, c.want) || (notes == "") != (c.want == "") {
			t.Errorf("%s: %q, %v; want %s", name, s.Notes, err, c.want)
		}
	}
	_, err := applyText(t, tree(t, map[string]string{"f": lines(1, 40)}), strings.Replace(change, "\n-10", "\n-1\u00a00", 1))
	if err == nil || !strings.Contains(err.Error(), "does not match: line 10 has a no-break space") {
		t.Errorf("%v", err)
	}
}
