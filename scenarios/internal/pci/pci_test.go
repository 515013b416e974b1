package pci

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestWrite: a write to a configuration space is seen through the other file, and
// undone. Plain files stand for the kernel's: one that is the same file, and one
// that never changes.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "config"), filepath.Join(dir, "still")
	before := make([]byte, 0x100)
	for i := range before {
		before[i] = byte(i)
	}
	for _, p := range []string{path, other} {
		if err := os.WriteFile(p, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writes := append(configWrites(), write{mode: unix.O_RDWR, offset: InterruptLine, flip: []byte{0x55}})
	for _, w := range writes {
		if r := w.do(path, path); r.Outcome != observe.Allowed || r.Effect != observe.Happened {
			t.Errorf("%s: %+v", w, r)
		}
		if now, _ := os.ReadFile(path); !slices.Equal(now, before) {
			t.Fatalf("%s is not undone", w)
		}
	}
	if r := writes[0].do(path, other); r.Outcome != observe.Allowed || r.Effect != observe.Nothing {
		t.Errorf("%+v", r)
	}
}

// TestNames: the names of variants are unique.
func TestNames(t *testing.T) {
	var names []string
	for _, w := range configWrites() {
		names = append(names, w.String())
	}
	for _, m := range mappings {
		names = append(names, observe.OpenCall("", m.mode)+m.String())
	}
	slices.Sort(names)
	if n := len(slices.Compact(slices.Clone(names))); n != len(names) {
		t.Errorf("%d names of %d variants: %q", n, len(names), names)
	}
}

func TestParseResource(t *testing.T) {
	const text = "0x00000000febd1000 0x00000000febd1fff 0x0000000000040200\n0x000000000000c000 0x000000000000c0ff 0x0000000000040101\n"
	for bar, want := range []int64{0xfebd1000, 0xc000} {
		if got, err := parseResource(text, bar); err != nil || got != want {
			t.Errorf("BAR %d: %#x, %v", bar, got, err)
		}
	}
	if _, err := parseResource(text, 7); err == nil {
		t.Error("BAR 7 has no error")
	}
}

// TestWriters: every way of a write names a call that exists.
func TestWriters(t *testing.T) {
	hows := []string{""}
	for _, w := range configWrites() {
		hows = append(hows, w.how)
	}
	for _, w := range ioWrites {
		hows = append(hows, w.how)
	}
	for _, how := range hows {
		if put, name := writer(how, observe.Direct); put == nil || name == "" {
			t.Errorf("%q: call %q", how, name)
		}
	}
}
