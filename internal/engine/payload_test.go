package engine

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
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

// TestContent: a ready image gets the unsigned image for kexec_file_load, and a
// kernel that was built has its own.
func TestContent(t *testing.T) {
	k := &kernel{build: plan.Build{Arch: arch.Get("arm64")}}
	if len(content(k)[scenarios.KexecUnsigned]) == 0 {
		t.Error("a ready image has nothing for kexec_file_load")
	}
	k.built.Files = map[string]string{build.KexecUnsigned: "file"}
	if _, ok := content(k)[scenarios.KexecUnsigned]; ok {
		t.Error("a built kernel has two images of the same name")
	}
}
