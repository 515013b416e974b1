package patchset

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/fstest"
)

// A letter is one mail of ours in the shape of a real one.
type letter struct {
	subject, id string
	header      string // more fields, a line each
	text        string // the commit message
	file        string // that it adds; empty: no diff
	after       string // behind the diff
}

func (l letter) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: A. U. Thor <a@example.org>\nDate: Sat, 22 Nov 2025 00:00:00 +0000\nMessage-ID: <%s@example.org>\nSubject: %s\n%s\n%s\n", l.id, l.subject, l.header, l.text)
	if l.file != "" {
		fmt.Fprintf(&b, "---\n %s.c | 1 +\n\ndiff --git a/%[1]s.c b/%[1]s.c\nnew file mode 100644\n--- /dev/null\n+++ b/%[1]s.c\n@@ -0,0 +1 @@\n+%[1]s\n-- \n2.39.5\n", l.file)
	}
	return b.String() + l.after + "\n"
}

// box joins mails with the line before each that a program writes.
func box(from string, mails ...letter) string {
	var b strings.Builder
	for _, m := range mails {
		fmt.Fprintf(&b, "%s\n%s", from, m)
	}
	return b.String()
}

const loreFrom = "From mboxrd@z Thu Jan  1 00:00:00 1970"

// many are the patches from 1 to n of a series, as subjects have them.
func many(format string, total int, numbers ...int) (list []letter) {
	for _, n := range numbers {
		list = append(list, letter{subject: fmt.Sprintf(format, n, total) + fmt.Sprintf(" x %d", n), id: fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(format, " ", "_"), total, n), file: fmt.Sprintf("p%d", n)})
	}
	return list
}

func upTo(n int) (list []int) {
	for i := 1; i <= n; i++ {
		list = append(list, i)
	}
	return list
}

func names(n int) string {
	var list []string
	for _, i := range upTo(n) {
		list = append(list, fmt.Sprintf("p%d", i))
	}
	return strings.Join(list, " ")
}

// TestShapes has mails of our own in the shapes of real ones about lockdown: how
// versions, replies, numbers, encodings and tags lie in them.
func TestShapes(t *testing.T) {
	reply := func(l letter, to string) letter {
		l.header += "In-Reply-To: <" + to + "@example.org>\nReferences: <" + to + "@example.org>\n"
		return l
	}
	cover := func(subject, text string) letter { return letter{subject: subject, id: "cover" + subject, text: text} }
	commit := strings.Repeat("0123456789", 4)
	v1, v2 := many("[PATCH %d/%d]", 2, 1, 2), many("[PATCH v2 %d/%d]", 3, 1, 2, 3)
	unquoted := reply(letter{subject: "Re: [PATCH 1/2] x 1", id: "fix", header: "Content-Type: text/plain; charset=UTF-8; format=flowed\n", text: "How about this:", file: "fixup"}, v1[0].id)
	for _, c := range []struct {
		name, text string
		want       string // what is added, in order
		note       string // in the notes
		err        string
	}{
		{"a cover letter and three", box(loreFrom, append([]letter{cover("[PATCH v2 0/3] all", "")}, v2...)...), "p1 p2 p3", "", ""},
		{"a thread of two versions, with a diff in a reply", box(loreFrom, append(append(append([]letter{cover("[PATCH 0/2] all", "")}, v1...), unquoted), v2...)...), "p1 p2 p3", "v1 (2 mails) left out", ""},
		{"one mail that answers the version before", box(loreFrom, reply(letter{subject: "[PATCH v3] add a switch", id: "v3", file: "p1"}, "v2")), "p1", "", ""},
		{"base-commit in the cover letter, a name in RFC 2047, a footer", box(loreFrom, append([]letter{
			cover("[PATCH v5 00/14] all", "base-commit: "+commit)}, func() (l []letter) {
			for _, m := range many("[PATCH v5 %02d/%d]", 14, upTo(14)...) {
				m.header = "Sender: =?utf-8?q?Th=C3=B6r?= <a@example.org>\n"
				m.after = "\n---\nbase-commit: " + commit + "\nchange-id: 20260101-x-0123456789ab\n"
				l = append(l, m, letter{subject: "Re: " + m.subject, id: "re" + m.id, text: "> +p1\nWhy?"})
			}
			return l
		}()...)...), names(14), "", ""},
		{"no MIME fields", box(loreFrom, v1...), "p1 p2", "", ""},
		{"a second version as an answer, 7Bit", box(loreFrom, letter{subject: "[PATCH] log once", id: "a", file: "old", header: "Content-Transfer-Encoding: 7Bit\n"},
			reply(letter{subject: "Re: [PATCH] log once", id: "b", text: "No."}, "a"),
			reply(letter{subject: "[PATCH v2] log once", id: "c", file: "new", header: "Content-Transfer-Encoding: 7Bit\n"}, "a")), "new", "v1 (1 mail) left out", ""},
		{"half a series", box(loreFrom, append(many("[PATCH v3 %d/%d]", 2, 1), letter{subject: "Re: [PATCH v3 2/2] x 2", id: "r", text: "> +p2"}, cover("[PATCH v3 0/2] all", ""))...), "p1", "patch 2 of 2 is missing", ""},
		{"a gap in a series", box(loreFrom, many("[PATCH v3 %d/%d]", 4, 1, 4)...), "", "", "patch 2, 3 of 4 is missing"},
		{"an archive's order", box(loreFrom, many("[PATCH V40 %02d/%d]", 29, append([]int{2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 1, 3, 4, 6, 7}, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22, 24, 25, 27, 28)...)...), names(29), "", ""},
		{"two numberings in one series", box(loreFrom, append(many("[RFC PATCH v5 %02d/%d]", 34, upTo(22)...), many("[RFC PATCH v5 %02d/%d]", 11, upTo(11)...)...)...), names(22) + " " + names(11), "no single series", ""},
		{"a tag with versions, and a text with marks", box(loreFrom, letter{subject: "[PATCH AUTOSEL 6.16-5.10] tracing: check", id: "s", file: "p1",
			text: "From: B <b@example.org>\n\nUpstream text.\n\n---\n\nA long text:\n\n```\n+ not a diff\n- nor this\n```\n"}), "p1", "", ""},
		{"two versions of other lengths", box(loreFrom, append(many("[PATCH v5 %02d/%d]", 23, upTo(23)...), many("[PATCH v7 %02d/%d]", 24, upTo(24)...)...)...), names(24), "v7 of the series is taken and v5 (23 mails)", ""},
		{"a tag for a tree", box(loreFrom, letter{subject: "[PATCH -next] lockdown: break", id: "n", file: "p1"}), "p1", "", ""},
		{"a bot's block behind the text", box(loreFrom, letter{subject: "[tip: efi/urgent] efi/efi_test: lock it", id: "tip", file: "p1", text: "The following commit has been merged:\n\nCommit-ID:     0123456789ab\nGitweb:        https://example.org/\n"}), "p1", "", ""},
		{"loose numbers", box(loreFrom, many("[PATCH net-next 06.12 v4 %d/%d]", 2, 2, 1)...), "p1 p2", "", ""},
	} {
		s, err := Read("x.mbox", strings.NewReader(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || files(s) != c.want || !strings.Contains(strings.Join(s.Notes, "\n"), c.note) {
			t.Errorf("%s: %s, %q, %v; want %s and %q", c.name, files(s), s.Notes, err, c.want, c.note)
		}
	}
}

// forms are how programs write the same three mails.
func forms(t *testing.T) map[string]string {
	t.Helper()
	mails := append([]letter{{subject: "[PATCH 0/3] all", id: "cover"}}, many("[PATCH %d/%d]", 3, 1, 2, 3)...)
	each := func(change func(letter) string) string {
		var b strings.Builder
		for _, m := range mails {
			fmt.Fprintf(&b, "%s\n%s\n", loreFrom, change(m))
		}
		return b.String()
	}
	encoded := func(encoding string, encode func(string) string) func(letter) string {
		return func(m letter) string {
			head, body, _ := strings.Cut(m.String(), "\n\n")
			return head + "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: " + encoding + "\n\n" + encode(body)
		}
	}
	quoted := func(text string) string {
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	signed := func(m letter) string {
		head, body, _ := strings.Cut(m.String(), "\n\n")
		return head + "\nMIME-Version: 1.0\nContent-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=s\n\n--s\nContent-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: quoted-printable\n\n" +
			quoted(body) + "\n--s\nContent-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n+diff\n-----END PGP SIGNATURE-----\n\n--s--\n"
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(box(loreFrom, mails...))); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	plain := box(loreFrom, mails...)
	return map[string]string{
		"a public inbox":             plain,
		"a public inbox, compressed": packed.String(),
		"git format-patch":           box("From "+strings.Repeat("0123456789", 4)+" Mon Sep 17 00:00:00 2001", mails...),
		"patchwork":                  box("From patchwork Mon Jul 28 11:15:15 2025", mails...),
		"pipermail":                  box("From a at example.org  Mon Jul 28 11:15:15 2025", mails...),
		"Thunderbird":                box("From - Mon Jul 28 11:15:15 2025", mails...),
		"mutt":                       box("From MAILER-DAEMON Mon Jul 28 11:15:15 2025", mails...),
		"with a time zone":           box("From a@example.org Mon Jul 28 11:15:15 2025 +0200", mails...),
		"CRLF":                       strings.ReplaceAll(plain, "\n", "\r\n"),
		"a byte order mark":          "\ufeff" + plain,
		"quoted-printable":           each(encoded("quoted-printable", quoted)),
		"base64":                     each(encoded("base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) + "\n" })),
		"base64, CRLF inside": each(encoded("BASE64", func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(s, "\n", "\r\n"))) + "\n"
		})),
		"signed": each(signed),
	}
}

// The same mails are the same series, whatever program saved them.
func TestForms(t *testing.T) {
	for name, text := range forms(t) {
		s, err := Read("x", strings.NewReader(text))
		if err != nil || files(s) != "p1 p2 p3" {
			t.Errorf("%s: %s, %v", name, files(s), err)
			continue
		}
		o := NewOverlay(fstest.MapFS{}, "build")
		if err := o.Apply(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f, _ := o.Read("p2.c"); string(f.Data) != "p2\n" {
			t.Errorf("%s: p2.c has %q", name, f.Data)
		}
	}
}

// Files that are attached are patches by their name, whatever their type.
func TestAttachments(t *testing.T) {
	with := func(files ...string) string {
		text := "From: A <a@example.org>\nSubject: Advisory\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n-----BEGIN PGP SIGNED MESSAGE-----\n\nApply the patch.\n"
		for _, f := range files {
			diff := fmt.Sprintf("From: A <a@example.org>\nSubject: [PATCH] %s\n\n--- /dev/null\n+++ b/%[1]s.c\n@@ -0,0 +1 @@\n+x\n", strings.NewReplacer(".", "-").Replace(f))
			text += fmt.Sprintf("--b\nContent-Type: application/octet-stream; name=%q\nContent-Disposition: attachment; filename=%[1]q\nContent-Transfer-Encoding: base64\n\n%s\n", f, base64.StdEncoding.EncodeToString([]byte(diff)))
		}
		return text + "--b--\n"
	}
	for _, c := range []struct {
		name, text, choice string
		want, err          string
	}{
		{"one", with("fix.patch"), "", "fix-patch", ""},
		{"a diff", with("fix.diff"), "", "fix-diff", ""},
		{"a series", with("0001-a.patch", "0002-b.patch"), "", "0001-a-patch 0002-b-patch", ""},
		{"one for each version", with("xsa-6.1.patch", "xsa-7.0.patch"), "", "", "choose one with --attachment"},
		{"the chosen one", with("xsa-6.1.patch", "xsa-7.0.patch"), "xsa-7.0.patch", "xsa-7-0-patch", ""},
		{"one that is not there", with("xsa-6.1.patch"), "xsa-9.patch", "", "the mail has no attachment xsa-9.patch; it has xsa-6.1.patch"},
		{"no patch", with("log.txt"), "", "", "no change in it"},
	} {
		s, err := Reader{Attachment: c.choice}.Read("x", strings.NewReader(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || files(s) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, files(s), err, c.want)
		}
	}
}

// A diff that a mail program damaged is named by its line, and is not "no change".
func TestDamagedShapes(t *testing.T) {
	diff := "--- a/kernel/kexec.c\n+++ b/kernel/kexec.c\n@@ -1,2 +1,2 @@\n-int a;\n+int b;\n int c;\n"
	mail := func(body string) string {
		return "From: A <a@example.org>\nSubject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte("Text.\n\n"+body)) + "\n\n--m--\n\n--s--\n"
	}
	for name, c := range map[string]struct{ body, want string }{
		"sound":          {diff, ""},
		"no-break space": {strings.ReplaceAll(diff, " int", "\u00a0int"), "damaged at line 8"},
		"wrapped":        {strings.Replace(diff, "@@ -1,2 +1,2 @@", "@@ -1,2\n+1,2 @@", 1), "damaged"},
		"cut":            {strings.TrimSuffix(diff, " int c;\n"), "damaged"},
	} {
		_, err := Read("x", strings.NewReader(mail(c.body)))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "no change in it")) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A thousand mails are read in well under a second on an idle machine, and ten thousand
// are no problem; the limit here is for a busy one.
func TestManyMails(t *testing.T) {
	var b strings.Builder
	for i := range 10 {
		b.WriteString(box(loreFrom, many(fmt.Sprintf("[PATCH v%d %%d/%%d]", i+1), 1000, upTo(1000)...)...))
	}
	s, err := Read("x", strings.NewReader(b.String()))
	if err != nil || len(s.Patches) != 1000 {
		t.Errorf("%d patches, %v", len(s.Patches), err)
	}
}
