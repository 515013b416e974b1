package footprint

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFootprintLines(t *testing.T) {
	for name, tt := range map[string]struct{ got, want []string }{
		"modules": {firstWords("/m", "ldlab_nop 12288 0 - Live 0x0 (OE)\n"), []string{`/m has "ldlab_nop"`}},
		"mounts": {mountLines("/proc/self/mounts", "tracefs /sys/kernel/tracing tracefs rw 0 0\ntracefs /sys/kernel/debug/tracing tracefs rw 0 0\n"),
			[]string{`mounts has "tracefs /sys/kernel/tracing tracefs rw"`}},
		"serial":  {serialLines("/s", "0: uart:16550A port:000003F8 irq:4 tx:9 rx:0 RTS\n"), []string{`/s has "0: uart:16550A port:000003F8 irq:4"`}},
		"kprobes": {kprobeLines("/k", "ffffffff81000000  k  vfs_read+0x0    [FTRACE]\n"), []string{`/k has "k vfs_read+0x0"`}},
		"config":  {configLines("/c", "\x01\x02\x03\x04\x05\x06\xff\xff\x07"), []string{"/c has 01 02 03 04 05 06 00 00 07"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
}

func TestChanged(t *testing.T) {
	c := Changed([]string{"a", "b"}, []string{"b", "c"})
	if want := (Change{[]string{"c"}, []string{"a"}}); !reflect.DeepEqual(c, want) {
		t.Errorf("%+v", c)
	}
	if got := c.Undo([]string{"b", "c"}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("undo: %q", got)
	}
	if got := c.Sentences(); !slices.Equal(got, []string{"c", "a no more"}) {
		t.Errorf("%q", got)
	}
}

// TestFootprintNoticesChanges: what is read anew is parsed anew, and what is as
// before is the same slice. A part that vanishes loses its lines.
func TestFootprintNoticesChanges(t *testing.T) {
	dir := t.TempDir()
	file, node, sub := dir+"/file", dir+"/node", dir+"/sub"
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "one\n")
	write(node, "")
	f := &Footprint{buf: make([]byte, 4096)}
	f.addFile(file, 0, 4096, func(raw []byte) []string { return textLines("file", string(raw)) })
	f.addNode(node)
	f.addDir(sub)
	first := f.Read()
	if len(first) != 2 {
		t.Fatalf("%q, want a file and a node", first)
	}
	if again := f.Read(); &again[0] != &first[0] {
		t.Error("nothing changed, and everything was parsed again")
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"content", func() error { return os.WriteFile(file, []byte("two\n"), 0o600) }, `file has "two"`},
		{"mode", func() error { return os.Chmod(node, 0o640) }, "has mode 0640"},
		{"directory", func() error { return os.MkdirAll(sub+"/x", 0o700) }, `has an entry "x"`},
		{"gone", func() error { return os.RemoveAll(sub) }, `has an entry "x" no more`},
	} {
		before := f.Read()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(Changed(before, f.Read()).Sentences(), "; "); !strings.Contains(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// A file whose read logs a denial is not read while its reason is locked, and stands
// for what it had before.
func TestFootprintAsksNothing(t *testing.T) {
	looks := 0
	level := "[none] integrity confidentiality"
	f := &Footprint{buf: make([]byte, 4096)}
	text := func(get func() string) footPart {
		return footPart{
			look:  func(buf []byte) (int, error) { return copy(buf, get()), nil },
			lines: func(raw []byte) []string { return []string{string(raw)} },
		}
	}
	shown, disk := text(func() string { return level }), text(func() string { looks++; return "[shutdown]" })
	shown.lockdown, disk.checked = true, true
	f.parts = []footPart{shown, disk}
	for _, c := range []struct {
		level string
		looks int
	}{
		{"[none] integrity confidentiality", 1}, {"none [integrity] confidentiality", 1}, {"none integrity [confidentiality]", 1},
		{"none integrity confidentiality", 1}, {"[none] [integrity] confidentiality", 1}, {"[none] hibernation locked", 1}, {"[none] hibernation open", 2}, {"[none] integrity confidentiality", 3},
	} {
		level = c.level
		if got := f.Read(); !slices.Contains(got, "[shutdown]") || looks != c.looks {
			t.Errorf("%s: %q after %d looks, want %d", level, got, looks, c.looks)
		}
	}
}
