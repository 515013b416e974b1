package sourcemutants

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

// TestSourceMutants: every patch is in the table, and every row of the table has
// a patch, a probe of one of its scenarios, and settings that exist.
func TestSourceMutants(t *testing.T) {
	patches, err := os.ReadDir("../../kernels/mutants")
	if err != nil {
		t.Fatal(err)
	}
	all, err := kernels.SourceMutants()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, x := range all {
		if _, err := x.Write(dir); err != nil {
			t.Error(err)
		}
		if _, ok := scenarios.Find(x.Cell); !ok {
			t.Errorf("%s: no probe %q", x.Patch, x.Cell)
		}
		if scenario, _, _ := strings.Cut(x.Cell, "/"); !slices.Contains(x.Scenarios, scenario) {
			t.Errorf("%s: %s is in none of its scenarios", x.Patch, x.Cell)
		}
		for _, probe := range x.Also {
			if _, ok := scenarios.Find(probe); !ok {
				t.Errorf("%s: no probe %q", x.Patch, probe)
			}
		}
		for _, s := range x.Settings {
			if _, err := lockdown.ParseSetting(s); err != nil {
				t.Errorf("%s: %v", x.Patch, err)
			}
		}
		if !slices.Contains(matrix.Verdicts(), matrix.Verdict(x.Verdict)) {
			t.Errorf("%s: no verdict %q", x.Patch, x.Verdict)
		}
	}
	for _, p := range patches {
		listed := slices.ContainsFunc(all, func(x kernels.SourceMutant) bool { return x.Patch == p.Name() })
		if strings.HasSuffix(p.Name(), ".patch") && !listed {
			t.Errorf("%s is not in mutants.toml", p.Name())
		}
	}
}

// TestJudge: a mutant is killed by the probe, the verdict and a setting that its row
// names, and by no other. Of a guest that was lost nothing follows.
func TestJudge(t *testing.T) {
	m := &matrix.Matrix{Tables: []matrix.Table{{Columns: []matrix.Column{{Setting: setting("integrity@boot")}, {Setting: setting("kexec@boot")}}, Rows: []matrix.TableRow{
		{Probe: "a/b", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Open}}, {Judgment: matrix.Judgment{Verdict: matrix.Leak, Why: "done", Rule: "leak-by-variant"}}}},
		{Probe: "a/c", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Enforced}}, {Judgment: matrix.Judgment{Verdict: matrix.Unproven}}}},
		{Probe: "a/d", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Lost}}, {Judgment: matrix.Judgment{Verdict: matrix.NotRun}}}},
	}}}}
	for _, tc := range []struct {
		cell, settings string
		want           matrix.Status
		why            string
	}{
		{"a/b", "integrity@boot kexec@boot", matrix.Killed, "done"},
		{"a/b", "integrity@boot", matrix.Survived, "a/b under integrity@boot: open"},
		{"a/c", "integrity@boot kexec@boot", matrix.Survived, "a/c under integrity@boot: enforced, a/c under kexec@boot: unproven"},
		{"a/d", "integrity@boot", matrix.MutantError, "a/d under integrity@boot: lost"},
		{"a/e", "integrity@boot", matrix.MutantError, "a/e did not run"},
	} {
		found := judge(kernels.SourceMutant{Cell: tc.cell, Verdict: "LEAK", Settings: strings.Fields(tc.settings)}, m)
		if found.Status != tc.want || found.Why != tc.why || (tc.want == matrix.Killed) != (found.DetectedBy == matrix.DetectedByEffect) {
			t.Errorf("%s, %s: %+v, want %s", tc.cell, tc.settings, found, tc.want)
		}
	}
}

func setting(text string) lockdown.Setting {
	s, err := lockdown.ParseSetting(text)
	if err != nil {
		panic(err)
	}
	return s
}

// TestLeaksForReal builds every mutant of the source and demands that its probe
// notices. It takes many builds, so only make nightly sets LDLAB_LEAKS.
// LDLAB_LEAKS=msr selects the patches whose names have that text.
func TestLeaksForReal(t *testing.T) {
	only := os.Getenv("LDLAB_LEAKS")
	if only == "" {
		t.Skip("LDLAB_LEAKS is not set; make nightly sets it")
	}
	if only == "all" {
		only = ""
	}
	all, err := kernels.SourceMutants()
	if err != nil {
		t.Fatal(err)
	}
	choice := engine.MutantChoice{Match: only}
	var names, arches []string
	for _, x := range all {
		if choice.Matches(x.Patch) {
			names, arches = append(names, x.Kernel), append(arches, x.Arch)
		}
	}
	slices.Sort(names)
	slices.Sort(arches)
	p, err := engine.Resolve(t.Context(), plan.Selection{Kernels: slices.Compact(names), Arches: slices.Compact(arches)}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range p.Builds {
		_, err := exec.LookPath(b.Arch.QEMU)
		testutil.Require(t, "qemu", err)
	}
	event := func(e engine.Event) {
		if e.Note != "" {
			t.Log(e.Note)
		}
	}
	found, err := Run(t.Context(), p, engine.Options{Out: t.TempDir(), Event: event}, choice)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		var b strings.Builder
		if err := report.Write(&b, "mutation", report.Measurement{Mutation: []matrix.Mutation{m}}); err != nil {
			t.Error(err)
		}
		t.Log(b.String())
		if !m.Sound() {
			t.Errorf("%s %s: %d mutants survived, %d with an error", m.Kernel, m.Arch, m.Count(matrix.Survived), m.Count(matrix.MutantError))
		}
	}
}
