package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLabKey(t *testing.T) {
	j := (&Builder{Cache: t.TempDir()}).job(Recipe{})
	if err := j.open(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.labKey(labKeyFile, false); err == nil {
		t.Error("a key that is not there was read")
	}
	one, err := j.labKey(labKeyFile, true)
	if err != nil {
		t.Fatal(err)
	}
	two, err := j.labKey(labKeyFile, true)
	if err != nil || one.fingerprint() != two.fingerprint() {
		t.Errorf("the key does not stay: %v", err)
	}
	file := filepath.Join(j.Cache, "key", labKeyFile)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := j.labKey(labKeyFile, true); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a cut key: %v", err)
	}
}
