package tracefs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestFinds looks for a text across the reads of a large file.
func TestFinds(t *testing.T) {
	const text = "the text"
	chunk := 16 * os.Getpagesize()
	for name, c := range map[string]struct {
		content string
		want    bool
	}{
		"empty":           {"", false},
		"at the start":    {text, true},
		"in two reads":    {strings.Repeat("x", chunk-3) + text, true},
		"only its start":  {strings.Repeat("x", chunk) + text[:4], false},
		"in two, apart":   {strings.Repeat("x", chunk-3) + text[:3] + "-" + text[3:], false},
		"after two reads": {strings.Repeat("x", 2*chunk) + text, true},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, look := finds(fd, text); got != c.want {
			t.Errorf("%s: %t, %s, want %t", name, got, look, c.want)
		}
		unix.Close(fd)
	}
}

// TestDenied pins which errors are denials.
func TestDenied(t *testing.T) {
	for _, c := range []struct {
		file string
		err  error
		want observe.Outcome
	}{
		{"trace", nil, observe.Allowed},
		{"trace", unix.EPERM, observe.Denied},
		{"trace", unix.ENODEV, observe.Failed},
		{"options/overwrite", unix.ENODEV, observe.Denied},
		{"options/overwrite", unix.EBUSY, observe.Failed},
	} {
		if got := denied(c.file, observe.FromError("open", c.err), "CONFIG_TRACING").Outcome; got != c.want {
			t.Errorf("denied(%s, %v) = %s, want %s", c.file, c.err, got, c.want)
		}
	}
}
