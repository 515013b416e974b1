package sweep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestSweep walks a tree of ordinary files and holds them against a rule.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a": 0o444, "d/b": 0o600, "d/c": 0o400, "skipped/x": 0o600, "e/b": 0o400} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tree := Tree{Dir: dir, Skip: func(f string) bool { return f == "skipped" }}
	files, err := tree.Files()
	want := []File{{"a", 0o444}, {"d/b", 0o600}, {"d/c", 0o400}, {"e/b", 0o400}}
	if err != nil || !slices.Equal(files, want) {
		t.Fatalf("Files() = %v, %v, want %v", files, err, want)
	}
	tree.SameMode = func(f string) string { return map[string]string{"d/b": "b", "e/b": "b"}[f] }
	if files, err = tree.Files(); err != nil || files[3].Mode != 0o600 || files[2].Mode != 0o400 {
		t.Errorf("Files() with groups = %v, %v: want the mode of d/b for e/b", files, err)
	}
	r := tree.Open(files, os.O_RDONLY, Named, func(f File) bool { return f.Path == "d/b" })
	if r.Outcome != observe.Allowed || r.Effect != observe.Happened || !strings.Contains(r.Look, "1 of 1 files opened: d/b") {
		t.Errorf("Open() of one file = %+v", r)
	}
}

// TestResult pins what counts as refused.
func TestResult(t *testing.T) {
	for _, c := range []struct {
		opened []string
		errs   map[string]int
		want   observe.Outcome
		look   string
	}{
		{nil, map[string]int{"EPERM": 3, "ENODEV": 1}, observe.Denied, "0 of 9 files opened; ENODEV 1 times, EPERM 3 times"},
		{[]string{"x"}, map[string]int{"EPERM": 3}, observe.Allowed, "1 of 9 files opened: x; EPERM 3 times"},
		{[]string{"a", "b", "c", "d", "e", "f"}, nil, observe.Allowed, "6 of 9 files opened: a, b, c, d, e, ..."},
		{nil, map[string]int{"EACCES": 3}, observe.Failed, "0 of 9 files opened; EACCES 3 times"},
		{nil, nil, observe.Failed, "0 of 9 files opened"},
	} {
		if r := result("open", 9, 5, c.opened, c.errs); r.Outcome != c.want || r.Look != c.look {
			t.Errorf("result(%v, %v) = %s, %q, want %s, %q", c.opened, c.errs, r.Outcome, r.Look, c.want, c.look)
		}
	}
}
