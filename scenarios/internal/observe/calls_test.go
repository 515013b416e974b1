package observe

import (
	"os"
	"testing"
)

// TestDirectAtTheFilesPosition: a pipe has no offsets, so a call with one fails.
func TestDirectAtTheFilesPosition(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	out, in := int(w.Fd()), int(r.Fd())
	if n, err := Direct.Pwrite(out, []byte("ab"), -1); n != 2 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if _, err := Direct.Pwrite(out, []byte("ab"), 0); err == nil {
		t.Error("a pipe was written at an offset")
	}
	b := make([]byte, 4)
	if n, err := Direct.Pread(in, b, -1); n != 2 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
}
