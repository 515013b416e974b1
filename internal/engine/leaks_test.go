package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

const leaksDir = "testdata/leaks"

// A leak is a patch that makes a kernel leak, and where the lab must notice it.
type leak struct {
	Patch     string
	Arch      string // empty: x86_64
	Kernel    string // empty: bitmap
	Scenarios []string
	Settings  []string
	Cell      string // a probe that must be a LEAK in at least one of the settings
	Verdict   string // instead of LEAK
}

// readLeaks reads the table of leaking kernels.
func readLeaks(t *testing.T) []leak {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(leaksDir, "leaks.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Leak []leak
	}
	d := toml.NewDecoder(strings.NewReader(string(text)))
	if err := d.DisallowUnknownFields().Decode(&table); err != nil {
		t.Fatal(err)
	}
	for i := range table.Leak {
		l := &table.Leak[i]
		if l.Arch == "" {
			l.Arch = "x86_64"
		}
		if l.Kernel == "" {
			l.Kernel = "bitmap"
		}
		if l.Verdict == "" {
			l.Verdict = string(matrix.Leak)
		}
	}
	return table.Leak
}

// TestLeaks: every patch is in the table, and every row of the table has a patch,
// a probe of one of its scenarios, and settings that exist.
func TestLeaks(t *testing.T) {
	patches, err := filepath.Glob(filepath.Join(leaksDir, "*.patch"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, l := range readLeaks(t) {
		listed = append(listed, filepath.Join(leaksDir, l.Patch))
		if _, ok := scenarios.Find(l.Cell); !ok {
			t.Errorf("%s: no probe %q", l.Patch, l.Cell)
		}
		if scenario, _, _ := strings.Cut(l.Cell, "/"); !slices.Contains(l.Scenarios, scenario) {
			t.Errorf("%s: %s is in none of its scenarios", l.Patch, l.Cell)
		}
		for _, s := range l.Settings {
			if _, err := lockdown.ParseSetting(s); err != nil {
				t.Errorf("%s: %v", l.Patch, err)
			}
		}
		if !slices.Contains(matrix.Verdicts(), matrix.Verdict(l.Verdict)) {
			t.Errorf("%s: no verdict %q", l.Patch, l.Verdict)
		}
	}
	for _, p := range patches {
		if !slices.Contains(listed, p) {
			t.Errorf("%s is not in leaks.toml", p)
		}
	}
	for _, p := range listed {
		if !slices.Contains(patches, p) {
			t.Errorf("%s is in leaks.toml and does not exist", p)
		}
	}
}

// TestLeaksForReal builds every leaking kernel and demands that its probe
// notices. It takes a build for each patch, so only make nightly sets
// LDLAB_LEAKS. LDLAB_LEAKS=msr selects the patches whose names begin with msr.
func TestLeaksForReal(t *testing.T) {
	only := os.Getenv("LDLAB_LEAKS")
	if only == "" {
		t.Skip("LDLAB_LEAKS is not set; make nightly sets it")
	}
	for _, l := range readLeaks(t) {
		if only != "all" && !strings.HasPrefix(l.Patch, only) {
			continue
		}
		t.Run(strings.TrimSuffix(l.Patch, ".patch"), func(t *testing.T) {
			sel := plan.Selection{Kernels: []string{l.Kernel}, Arches: []string{l.Arch}, Settings: l.Settings, Scenarios: l.Scenarios}
			forReal(t, sel) // the kernel below the series is built
			sel.Series = []string{filepath.Join(leaksDir, l.Patch)}
			m := boot(t, mustPlan(t, sel))
			noticed := false
			for _, row := range m.Tables[0].Rows {
				for i, c := range row.Cells {
					if !c.Verdict.Expected() {
						t.Logf("%s under %s: %s: %s", row.Probe, m.Tables[0].Columns[i].Setting, c.Verdict, c.Why)
					}
					noticed = noticed || row.Probe == l.Cell && string(c.Verdict) == l.Verdict
				}
			}
			if !noticed {
				t.Errorf("%s is not %s", l.Cell, l.Verdict)
			}
		})
	}
}
