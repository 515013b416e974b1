package observe

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFiles: a file is opened once for each mode, its position is the beginning each
// time, and an act that closes its descriptor does not close the file.
func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	var f Files
	f.Do(func() {
		for range 2 {
			if text, r := ReadText(path); text != "text" || r.Outcome != Allowed {
				t.Errorf("read %q, %+v", text, r)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if text, _ := ReadText(path); text != "text" {
			t.Errorf("after it was removed: read %q", text)
		}
		if r := WithFile(path, unix.O_RDWR, nil); r.Errno != "ENOENT" {
			t.Errorf("in another mode: %+v", r)
		}
	})
	if f.Len() != 1 {
		t.Errorf("%d files", f.Len())
	}
	f.Close()
	if _, r := ReadText(path); r.Errno != "ENOENT" {
		t.Errorf("afterwards: %+v", r)
	}
}
