package testutil

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tree writes files, by slash-separated name, into a temporary directory and
// returns it. A file that begins with "#!" is executable, and a name that ends
// with a slash is a directory.
func Tree(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		parent, mode := filepath.Dir(path), os.FileMode(0o644)
		if strings.HasSuffix(name, "/") {
			parent = path
		}
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		if parent == path {
			continue
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
