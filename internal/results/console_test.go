package results

import (
	"os"
	"path/filepath"
	"testing"
)

// TestConsolesAreNotOverwritten wants the consoles of an earlier run into the same
// directory to stay.
func TestConsolesAreNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"consoles/g-try1.log", "consoles/g-try1-2.log", "consoles/g-try1-3.log"} {
		name, err := WriteNew(dir, "consoles/g-try1.log", []byte(want))
		if err != nil || name != want {
			t.Errorf("%s, %v, want %s", name, err, want)
		}
		if b, err := os.ReadFile(filepath.Join(dir, want)); err != nil || string(b) != want {
			t.Errorf("%s has %q, %v", want, b, err)
		}
	}
}
