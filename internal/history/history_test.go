package history

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/matrix"
)

func night(name string) Night {
	begun, _ := time.Parse(time.DateOnly, name[:10])
	return Night{Name: name, Begun: begun, Ended: begun.Add(time.Hour), Lab: "v1", Table: "abc", Machine: "host", Failed: []string{"test"},
		Kernels: []Kernel{{Run: "matrix", Kernel: "stock", Base: "6.12.1", Arch: "x86_64", Counts: map[matrix.Verdict]int{matrix.Enforced: 4, matrix.Leak: 1, matrix.Known: 2, matrix.NotPlanned: 9}}}}
}

func names(nights []Night) string {
	var list []string
	for _, n := range nights {
		list = append(list, n.Name)
	}
	return strings.Join(list, " ")
}

// TestAppend: nights come back as they were, of one night only the last, also after a
// line that was cut off.
func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	add := func(n Night) {
		t.Helper()
		if err := Append(path, n); err != nil {
			t.Fatal(err)
		}
	}
	add(night("2026-11-26"))
	add(night("2026-11-27"))
	again := night("2026-11-27")
	again.Failed = nil
	add(again)
	nights, notes, err := Load(filepath.Dir(path))
	for i := range nights {
		if nights[i].Line == 0 {
			t.Errorf("%s has no line", nights[i].Name)
		}
		nights[i].Line = 0
	}
	if err != nil || len(notes) != 0 || !reflect.DeepEqual(nights, []Night{night("2026-11-26"), again}) {
		t.Fatalf("%v, %q\n%+v", err, notes, nights)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-9], 0o644); err != nil { // as a full disk leaves it
		t.Fatal(err)
	}
	if nights, notes, err = Load(path); err != nil || names(nights) != "2026-11-26 2026-11-27" || nights[1].Failed == nil || len(notes) != 1 || !strings.Contains(notes[0].Text, "cut off") {
		t.Fatalf("cut: %v, %q, %s", err, notes, names(nights))
	}
	add(night("2026-11-28"))
	if nights, notes, err = Load(path); err != nil || names(nights) != "2026-11-26 2026-11-27 2026-11-28" || len(notes) != 1 || !strings.Contains(notes[0].Text, "line 3 is damaged") {
		t.Fatalf("after a cut: %v, %q, %s", err, notes, names(nights))
	}
	if k := nights[2].Kernels[0]; k.Unexpected() != 1 || k.Enforced() != 4 || k.All() != 7 || nights[2].Seconds() != 3600 {
		t.Errorf("%d %d %d %v", k.Unexpected(), k.Enforced(), k.All(), nights[2].Seconds())
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there: no error")
	}
}

// TestRead: Read reports a line that it cannot read, and reads the others.
func TestRead(t *testing.T) {
	line := func(name, begun string) string { return `{"Name":"` + name + `","Begun":"` + begun + `"}` + "\n" }
	a, b := line("2026-11-26", "2026-11-26T20:00:00Z"), line("2026-11-25", "2026-11-25T20:00:00Z")
	for _, c := range []struct{ name, text, nights, note string }{
		{"empty", "", "", ""},
		{"no newline at the end", strings.TrimSuffix(a, "\n"), "2026-11-26", ""},
		{"blank line", "\n" + a, "2026-11-26", ""},
		{"backwards", a + b, "2026-11-26 2026-11-25", "line 2: the clock went backwards: 2026-11-25 began at 2026-11-25T20:00:00Z, before 2026-11-26"},
		{"no night", "{}\n" + a, "2026-11-26", "line 1 is damaged"},
		{"a path", line("../etc", "2026-11-25T20:00:00Z") + a, "2026-11-26", "line 1 is damaged"},
		{"no time", line("2026-11-25", "0001-01-01T00:00:00Z") + a, "2026-11-26", "line 1 is damaged"},
		{"long", `{"Lab":"` + strings.Repeat("a", maxLine) + "\"}\n" + a, "2026-11-26", "line 1 is longer"},
		{"only a part", a + b[:20], "2026-11-26", "the last line, 2, was cut off"},
	} {
		nights, notes, err := Read(strings.NewReader(c.text))
		if err != nil || names(nights) != c.nights || (c.note == "") != (len(notes) == 0) || !strings.Contains(fmt.Sprint(notes), c.note) {
			t.Errorf("%s: %v, %q, %q", c.name, err, names(nights), notes)
		}
	}
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{"2026-11-28": true, "2026-11-28-2": true, "2026-11-28-999": true, "2026-11-28-": false, "2026-11-28-02": false, "2026-13-01": false, "2026-11-28-2x": false, "2026-11-2": false, "": false, "2026-11-28/..": false, "2026-11-28-2/": false} {
		if got := IsName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// FuzzRead: whatever is in the file, what is read can be written and read again.
func FuzzRead(f *testing.F) {
	f.Add(`{"Name":"2026-11-26","Begun":"2026-11-26T20:00:00Z"}` + "\n{")
	f.Add(`{"Name":"2026-11-26-2","Begun":"2026-11-26T20:00:00+01:00","Kernels":[{"Counts":{"LEAK":1}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		nights, _, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), File)
		for _, n := range nights {
			if err := Append(path, n); err != nil {
				t.Skip(err) // a year that JSON does not have
			}
		}
		if len(nights) == 0 {
			return
		}
		again, _, err := Load(path)
		if err != nil || names(again) != names(nights) {
			t.Fatalf("%v: %s, want %s", err, names(again), names(nights))
		}
	})
}
