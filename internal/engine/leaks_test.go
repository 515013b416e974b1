package engine

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
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

// TestJudgeSource: a mutant is killed by the probe and the verdict that its row
// names, and by no other.
func TestJudgeSource(t *testing.T) {
	m := &matrix.Matrix{Tables: []matrix.Table{{Columns: []matrix.Column{{}, {}}, Rows: []matrix.TableRow{
		{Probe: "a/b", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Open}}, {Judgment: matrix.Judgment{Verdict: matrix.Leak, Why: "done", Rule: "leak-by-variant"}}}},
		{Probe: "a/c", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Enforced}}, {Judgment: matrix.Judgment{Verdict: matrix.Unproven}}}},
	}}}}
	for cell, want := range map[string]matrix.Status{"a/b": matrix.Killed, "a/c": matrix.Survived, "a/d": matrix.Survived} {
		var found matrix.Mutant
		judgeSource(&found, kernels.SourceMutant{Cell: cell, Verdict: "LEAK"}, m)
		if found.Status != want || (want == matrix.Killed) != (found.DetectedBy == matrix.DetectedByEffect) {
			t.Errorf("%s: %+v, want %s", cell, found, want)
		}
	}
}

// TestLeaksForReal builds every mutant of the source and demands that its probe
// notices. It takes a build for each patch, so only make nightly sets
// LDLAB_LEAKS. LDLAB_LEAKS=msr selects the patches whose names have that text.
func TestLeaksForReal(t *testing.T) {
	only := os.Getenv("LDLAB_LEAKS")
	if only == "" {
		t.Skip("LDLAB_LEAKS is not set; make nightly sets it")
	}
	all, err := kernels.SourceMutants()
	if err != nil {
		t.Fatal(err)
	}
	if only == "all" {
		only = ""
	}
	choice := MutantChoice{Match: only}
	var kernels, arches []string
	for _, x := range all {
		if choice.matches(x.Patch) {
			kernels, arches = append(kernels, x.Kernel), append(arches, x.Arch)
		}
	}
	slices.Sort(kernels)
	slices.Sort(arches)
	p := forReal(t, plan.Selection{Kernels: slices.Compact(kernels), Arches: slices.Compact(arches)})
	found, err := MutateSource(t.Context(), p, Options{Out: t.TempDir()}, choice)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		var b strings.Builder
		report.Write(&b, "mutation", report.Measurement{Mutation: []matrix.Mutation{m}})
		t.Log(b.String())
		if !m.Sound() {
			t.Errorf("%s %s: %d mutants survived, %d with an error", m.Kernel, m.Arch, m.Count(matrix.Survived), m.Count(matrix.MutantError))
		}
	}
}
