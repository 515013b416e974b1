package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesOnTop: a list of files is one series, and patches on top come after it.
func TestFilesOnTop(t *testing.T) {
	dir := t.TempDir()
	mail := func(tag, file string) string {
		name := filepath.Join(dir, file+".patch")
		text := fmt.Sprintf("From: A <a@example.org>\nSubject: [PATCH %s] %s\n\n--- /dev/null\n+++ b/kernel/%[2]s\n@@ -0,0 +1 @@\n+x\n", tag, file)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b, fix, old := mail("1/2", "a"), mail("2/2", "b"), mail("v2 2/2 fixup", "fix"), mail("v2 1/2", "old")
	r, err := Resolve(context.Background(), Inputs{Files: []string{b, a}, OnTop: []string{fix}})
	if err != nil || len(r.Series) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	var names []string
	for _, s := range r.Series {
		if len(s.Notes) > 0 {
			t.Errorf("%s: %q", s.Name, s.Notes)
		}
		for _, p := range s.Patches {
			names = append(names, p.Name)
		}
	}
	if got := strings.Join(names, " "); got != "a.patch b.patch fix.patch" {
		t.Error(got)
	}
	if !AreParts([]string{a, b}) || AreParts([]string{a, old}) || AreParts([]string{a, dir}) {
		t.Error("AreParts is wrong")
	}
	for name, want := range map[string]string{"git:" + dir + "@a...b": "two dots", filepath.Join(dir, "none"): "no such file"} {
		if _, err := Resolve(context.Background(), Inputs{Series: []string{name}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Resolve(context.Background(), Inputs{Files: []string{a, dir}}); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("%v", err)
	}
}
