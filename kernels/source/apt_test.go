package source

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
)

// TestLimit: what the machine's configuration of apt has stays, and the rest is limited.
func TestLimit(t *testing.T) {
	testutil.RequireProgram(t, "apt-get")
	file := filepath.Join(t.TempDir(), "apt.conf")
	if err := os.WriteFile(file, []byte("Acquire::http::Timeout \"2\";\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("APT_CONFIG", file)
	s := &aptState{}
	if err := s.limit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(s.options, "Acquire::http::Timeout=30") || !slices.Contains(s.options, "Acquire::https::Timeout=30") {
		t.Errorf("options %q", s.options)
	}
}
