package kernels

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/patchset"
)

//go:embed mutants
var mutantFiles embed.FS

// A SourceMutant is a patch that makes a kernel leak, and where the lab must
// notice it.
type SourceMutant struct {
	Patch     string   // file name
	Arch      string   // default x86_64
	Kernel    string   // of the table; default bitmap
	Scenarios []string // that run
	Settings  []string // in which they run, beside the control
	Cell      string   // a probe that must get the verdict in at least one of the settings
	Verdict   string   // default LEAK
	Also      []string // other probes that the patch gives an unexpected verdict, beside those of Cell's reason
	Alone     bool     // it may change what other patches do, so it shares no kernel with them

	Files []string `toml:"-"` // of the kernel, that the patch changes
}

// Name is the patch without its extension. Several mutants may share a patch.
func (m SourceMutant) Name() string { return strings.TrimSuffix(m.Patch, ".patch") }

// An EquivalentMutant is a mutant of a call site that no observer can tell from
// the kernel, by an argument and not by a run.
type EquivalentMutant struct {
	Site string // file:function
	Kind string // of package matrix
	Arch string // empty: on all
	Why  string // with the source
}

// EquivalentMutants lists every such claim.
func EquivalentMutants() ([]EquivalentMutant, error) {
	t, err := readMutants()
	return t.Equivalent, err
}

// SourceMutants lists every mutant of the source.
func SourceMutants() ([]SourceMutant, error) {
	t, err := readMutants()
	if err != nil {
		return nil, err
	}
	for i := range t.Mutant {
		m := &t.Mutant[i]
		text, err := mutantFiles.ReadFile("mutants/" + m.Patch)
		if err != nil {
			return nil, fmt.Errorf("read mutant: %w", err)
		}
		series, err := patchset.Read(m.Patch, bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read mutant: %w", err)
		}
		m.Files = series.Files()
	}
	return t.Mutant, nil
}

type mutantTable struct {
	Mutant     []SourceMutant
	Equivalent []EquivalentMutant
}

func readMutants() (table mutantTable, err error) {
	const file = "mutants/mutants.toml"
	text, err := mutantFiles.ReadFile(file)
	if err != nil {
		return table, err
	}
	if err := strict.Decode(text, &table); err != nil {
		return table, fmt.Errorf("read %s: %w", file, err)
	}
	for i := range table.Mutant {
		m := &table.Mutant[i]
		m.Arch = cmp.Or(m.Arch, "x86_64")
		m.Kernel = cmp.Or(m.Kernel, "bitmap")
		m.Verdict = cmp.Or(m.Verdict, "LEAK")
	}
	return table, nil
}

// Write writes the patch into a directory and returns its path.
func (m SourceMutant) Write(dir string) (string, error) {
	text, err := mutantFiles.ReadFile("mutants/" + m.Patch)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, m.Patch)
	return path, os.WriteFile(path, text, 0o644)
}
