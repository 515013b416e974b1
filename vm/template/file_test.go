package template

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// someSnapshot is a snapshot made by hand: 1 MiB with two islands of data.
func someSnapshot(t *testing.T) snapshot {
	t.Helper()
	s, err := newSnapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	page := bytes.Repeat([]byte("ram."), 1024)
	for _, at := range []int64{8192, 600 << 10} {
		if _, err := s.ram.WriteAt(page, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.state.WriteAt(bytes.Repeat([]byte("state"), 777), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	return s
}

func reading(t *testing.T, content []byte, ingredients string) (snapshot, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return readTemplate(f, ingredients)
}

func TestTemplateFile(t *testing.T) {
	s := someSnapshot(t)
	var buf bytes.Buffer
	if err := writeTemplate(&buf, "arch x\nqemu 1", s); err != nil {
		t.Fatal(err)
	}
	got, err := reading(t, buf.Bytes(), "arch x\nqemu 1")
	if err != nil {
		t.Fatal(err)
	}
	defer got.close()
	if sum(t, got.ram) != sum(t, s.ram) || sum(t, got.state) != sum(t, s.state) {
		t.Error("what was read differs from what was written")
	}
	if list, err := extents(got.ram); err != nil || len(list) != 2 {
		t.Errorf("extents %v, %v", list, err)
	}
	if _, err := got.ram.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the RAM can be written to")
	}
	if err := got.ram.Truncate(0); err == nil {
		t.Error("the RAM can be cut")
	}

	whole := buf.Bytes()
	check := func(name string, content []byte, want string) {
		t.Helper()
		s, err := reading(t, content, "arch x\nqemu 1")
		if err == nil {
			s.close()
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for n := 0; n < len(whole); n += 97 {
		check(fmt.Sprintf("cut at %d", n), whole[:n], "")
		bad := bytes.Clone(whole)
		bad[n] ^= 0x10
		check(fmt.Sprintf("flip at %d", n), bad, "")
	}
	check("last byte missing", whole[:len(whole)-1], "bytes, not")
	check("a byte too many", append(bytes.Clone(whole), 0), "bytes, not")
	check("empty", nil, "read head")
	check("foreign", bytes.Repeat([]byte("x"), 1000), "no template")
	if _, err := reading(t, whole, "arch y\nqemu 1"); err == nil || err.Error() != `it is of "arch x", not of "arch y"` {
		t.Errorf("other ingredients: %v", err)
	}
}

// TestTemplateHead: what is in a head is not trusted.
func TestTemplateHead(t *testing.T) {
	for name, h := range map[string]fileHead{
		"no state":       {MemoryMiB: 1},
		"negative state": {MemoryMiB: 1, State: -1},
		"huge state":     {MemoryMiB: 1, State: 1 << 40},
		"beyond RAM":     {MemoryMiB: 1, State: 1, RAM: []extent{{1 << 20, 1}}},
		"overflow":       {MemoryMiB: 1, State: 1, RAM: []extent{{1 << 62, 1 << 62}}},
		"before RAM":     {MemoryMiB: 1, State: 1, RAM: []extent{{-4096, 4096}}},
		"overlap":        {MemoryMiB: 1, State: 1, RAM: []extent{{0, 8192}, {4096, 4096}}},
		"empty extent":   {MemoryMiB: 1, State: 1, RAM: []extent{{0, 0}}},
		"negative RAM":   {MemoryMiB: -1, State: 1, RAM: []extent{{0, 1}}},
	} {
		if n := h.size(); n >= 0 {
			t.Errorf("%s: size %d", name, n)
		}
	}
}

type fullDisk struct{ left int }

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.left -= n
	if n < len(b) {
		return n, unix.ENOSPC
	}
	return n, nil
}

func TestTemplateFullDisk(t *testing.T) {
	for _, left := range []int{0, 10, 1000, 10000} {
		if err := writeTemplate(&fullDisk{left}, "x", someSnapshot(t)); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("room for %d bytes: %v", left, err)
		}
	}
}

func TestNoMemory(t *testing.T) {
	if _, err := newMemory("ram", -1); err == nil || !strings.HasPrefix(err.Error(), "make memory file") {
		t.Errorf("got %v", err)
	}
}
