package testutil

import (
	"bytes"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

func pack(t *testing.T, records ...cpio.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	for _, r := range records {
		if err := w.WriteRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchiveChecks(t *testing.T) {
	first := pack(t, cpio.StaticFile("init", "one", 0o755))
	second := pack(t, cpio.Directory("d", 0o755), cpio.StaticFile("d/file", "two", 0o600), cpio.Symlink("d/link", "file"))
	all := Archives(t, append(append(first, make([]byte, 512)...), second...))
	if len(all) != 2 {
		t.Fatalf("%d archives", len(all))
	}
	all[0].Check(t, HasFile("init", "one", 0o755), InOrder)
	all[1].Check(t, HasRecord("d"), HasFile("d/file", "two", 0o600), HasLink("d/link", "file"), InOrder)
	for name, check := range map[string]ArchiveCheck{
		"absent record": HasRecord("x"), "absent file": HasFile("x", "", 0o600), "content": HasFile("d/file", "three", 0o600),
		"mode": HasFile("d/file", "two", 0o644), "no link": HasLink("d/file", "two"), "target": HasLink("d/link", "d"), "absent link": HasLink("x", ""),
	} {
		if check(all[1]) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	late := Archives(t, pack(t, cpio.StaticFile("d/file", "", 0o600), cpio.Directory("d", 0o755)))
	if InOrder(late[0]) == nil {
		t.Error("a file before its directory: no error")
	}
	old := cpio.StaticFile("f", "", 0o600)
	old.MTime = 1
	if InOrder(Archives(t, pack(t, old))[0]) == nil {
		t.Error("a file with a time: no error")
	}
}
