package testutil

import (
	"bytes"
	"fmt"
	"path"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

// An Archive is one archive of an initramfs, in the order of its records.
type Archive []cpio.Record

// Archives reads an initramfs as the kernel does: archive after archive, with
// zeros between them.
func Archives(t testing.TB, image []byte) (all []Archive) {
	t.Helper()
	for image = bytes.TrimLeft(image, "\x00"); len(image) > 0; image = bytes.TrimLeft(image, "\x00") {
		r := cpio.Newc.Reader(bytes.NewReader(image))
		var records Archive
		end := int64(0)
		for {
			rec, err := r.ReadRecord()
			if err != nil {
				break
			}
			records = append(records, rec)
			end = rec.FilePos + int64(rec.FileSize)
		}
		trailer := bytes.Index(image[end:], []byte(cpio.Trailer))
		if trailer < 0 {
			t.Fatalf("archive %d has no trailer", len(all))
		}
		image = image[end+int64(trailer)+int64(len(cpio.Trailer)):]
		all = append(all, records)
	}
	return all
}

// An ArchiveCheck is a property of an archive.
type ArchiveCheck func(Archive) error

// Check fails the test for each check that the archive does not pass.
func (a Archive) Check(t testing.TB, checks ...ArchiveCheck) {
	t.Helper()
	for _, check := range checks {
		if err := check(a); err != nil {
			t.Error(err)
		}
	}
}

// find returns the last record of a name, which is the one that counts, or nil.
func (a Archive) find(name string) *cpio.Record {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i].Name == name {
			return &a[i]
		}
	}
	return nil
}

// Content is a file's content, and empty if there is no such file.
func (a Archive) Content(name string) string {
	r := a.find(name)
	if r == nil || r.FileSize == 0 {
		return ""
	}
	b := make([]byte, r.FileSize)
	if _, err := r.ReadAt(b, 0); err != nil {
		return ""
	}
	return string(b)
}

// HasRecord checks that there is a record of any type.
func HasRecord(name string) ArchiveCheck {
	return func(a Archive) error {
		if a.find(name) == nil {
			return fmt.Errorf("no %s in the archive", name)
		}
		return nil
	}
}

// HasFile checks a regular file's content and permissions.
func HasFile(name, content string, perm uint64) ArchiveCheck {
	return hasMode(name, content, cpio.S_IFREG|perm)
}

// HasLink checks a symbolic link's target.
func HasLink(name, target string) ArchiveCheck {
	return func(a Archive) error {
		r := a.find(name)
		if r == nil || r.Mode&cpio.S_IFMT != cpio.S_IFLNK || a.Content(name) != target {
			return fmt.Errorf("%s is no link to %s: %v, %q", name, target, r, a.Content(name))
		}
		return nil
	}
}

func hasMode(name, content string, mode uint64) ArchiveCheck {
	return func(a Archive) error {
		r := a.find(name)
		if r == nil {
			return fmt.Errorf("no %s in the archive", name)
		}
		if got := a.Content(name); got != content || r.Mode != mode {
			return fmt.Errorf("%s is %.80q with mode %o, want %.80q with mode %o", name, got, r.Mode, content, mode)
		}
		return nil
	}
}

// InOrder checks that each record comes after the directory that it is in, as
// the kernel makes none by itself, and that the times are 0.
func InOrder(a Archive) error {
	seen := map[string]bool{".": true}
	for _, r := range a {
		if dir := path.Dir(r.Name); !seen[dir] {
			return fmt.Errorf("%s comes before its directory", r.Name)
		}
		if seen[r.Name] = true; r.MTime != 0 {
			return fmt.Errorf("%s has time %d", r.Name, r.MTime)
		}
	}
	return nil
}
