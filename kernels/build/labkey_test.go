package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLabKey(t *testing.T) {
	b := &Builder{Cache: t.TempDir()}
	if _, err := b.labKey(t.Context(), labKeyFile, false); err == nil {
		t.Error("a key that is not there was read")
	}
	one, err := b.labKey(t.Context(), labKeyFile, true)
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.labKey(t.Context(), labKeyFile, true)
	if err != nil || one.fingerprint() != two.fingerprint() {
		t.Errorf("the key does not stay: %v", err)
	}
	file := filepath.Join(b.Cache, "key", labKeyFile)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := b.labKey(t.Context(), labKeyFile, true); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a cut key: %v", err)
	}
}
