package engine

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/scenarios"
)

// TestPayloadNames compares the names that probes use with those of the
// builder: a probe whose payload has another name would be unavailable.
func TestPayloadNames(t *testing.T) {
	var used []string
	for _, path := range scenarios.Payloads() {
		used = append(used, filepath.Base(path))
	}
	built := []string{
		build.KexecUnsigned, build.KexecSigned,
		build.ModuleUnsigned, build.ModuleSigned, build.ModuleWrongKey, build.MmiotraceSigned,
	}
	slices.Sort(used)
	slices.Sort(built)
	if !slices.Equal(used, built) {
		t.Errorf("probes use %q, the builder makes %q", used, built)
	}
}
