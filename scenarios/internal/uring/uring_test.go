package uring

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Each way opens, writes and reads a file of this machine.
func TestWays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, w := range append([]Way{Plain}, Others...) {
		if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := w.Act(func(c observe.Calls) observe.Report {
			return c.WithFile(file, unix.O_RDWR, func(fd int) observe.Report {
				if n, err := c.Pwrite(fd, []byte("abc"), 2); n != 3 || err != nil {
					t.Errorf("%s: write = %d, %v", w.Name, n, err)
				}
				b := make([]byte, 4)
				n, err := c.Pread(fd, b, 1)
				return observe.FromError("pread", err).Brought(n == 4 && bytes.Equal(b, []byte("1abc")), string(b))
			})
		})
		switch {
		case r.Outcome == observe.Unavailable || strings.Contains(r.Call, "io_uring_"):
			t.Skipf("this machine: %s", r.Call)
		case w.fixed && r.Errno == "EINVAL": // before v6.8
		case r.Outcome != observe.Allowed || r.Effect != observe.Happened:
			t.Errorf("%s: %+v", w.Name, r)
		}
		missing := w.Act(func(c observe.Calls) observe.Report { return c.WithFile(file+"s", unix.O_RDONLY, nil) })
		if missing.Errno != "ENOENT" {
			t.Errorf("%s: %+v", w.Name, missing)
		}
	}
}

// The threads of the kernel that work for this process have its name.
func TestNames(t *testing.T) {
	if r := Plain.Act(func(observe.Calls) observe.Report { return observe.Report{} }); r.Outcome != "" {
		t.Skipf("this machine: %s", r.Call)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) < 3 {
		t.Fatal(threads, err)
	}
	want, err := commOf("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range threads {
		if name, err := commOf(dir); err == nil && name != want {
			t.Errorf("%s: %q, want %q", dir, name, want)
		}
	}
}
