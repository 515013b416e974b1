package build

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/kernels/source"
)

func TestModules(t *testing.T) {
	w := &source.WorkTree{Dir: t.TempDir()}
	if got, err := modules(w); err != nil || got != nil {
		t.Errorf("before a build: %v, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Dir(modulesOrder(w)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(modulesOrder(w), []byte("lib/a.o\nfs/b-c.o\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := modules(w); err != nil || !slices.Equal(got, []string{"lib/a.ko", "fs/b-c.ko"}) {
		t.Errorf("%v, %v", got, err)
	}
}
