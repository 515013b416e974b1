package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/page"
	"github.com/ldlab/ldlab/report/words"
)

// reviewed is the hand-made measurement with what else a review may have.
func reviewed(t *testing.T) Measurement {
	m := measurement(t)
	m.Matrix = nil
	a := &m.Review.Arches[0]
	a.Answers = []changes.AnswerChange{{Probe: "securityfs/lower", Op: "write none", Before: "EPERM", Now: "ok", Settings: []string{"integrity@boot"}}}
	a.Callers = []changes.CallerChange{{Site: "a.c:g", Name: "g_fops:h"}, {Site: "a.c:g", Name: "sys_j", Came: true}}
	a.Reasons = []changes.ReasonShift{{Reason: "msr", Grave: true, Text: "it has no text"}}
	m.Review.KUnit = []changes.KUnitRun{{Arch: "x86_64", When: "at boot", Tests: []ktap.Test{{Name: "s", Status: ktap.Failed, Tests: []ktap.Test{{Name: "c", Status: ktap.Failed, Why: "x"}}}}}}
	return m
}

// TestSections compares the sections of a page with a golden file, in which ! marks what
// is not as expected.
func TestSections(t *testing.T) {
	var b bytes.Buffer
	mark := func(good bool) string { return map[bool]string{true: "  ", false: "! "}[good] }
	for _, s := range sectionsOf(reviewed(t)) {
		fmt.Fprintf(&b, "%s%s (%s)\n", mark(s.Good), s.Title, s.Name)
		for _, line := range s.Summary {
			fmt.Fprintf(&b, "  * %s\n", words.Clean(line))
		}
		for _, table := range s.Tables {
			fmt.Fprintf(&b, "  %s [%s]\n    %s %v\n", table.Caption, table.Of, strings.Join(table.Heads, " | "), table.Choose)
			for _, r := range table.Rows {
				if len(r.Cells) != len(table.Heads) {
					t.Errorf("%s: a row has %d cells, and the table %d columns", table.Caption, len(r.Cells), len(table.Heads))
				}
				var cells []string
				for _, c := range r.Cells {
					cells = append(cells, words.Clean(c.Text)+strings.TrimSuffix(" ("+c.Kind+")", " ()"))
				}
				fmt.Fprintf(&b, "  %s%s\n", mark(!r.Bad), strings.Join(cells, " | "))
			}
		}
	}
	golden := filepath.Join("testdata", "page", "sections.txt")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(b.Bytes(), want) || len(want) > maxGolden {
		t.Errorf("%v: %d bytes, want those of %s:\n%s", err, b.Len(), golden, b.String())
	}
}

// TestSectionsOfWhatIsThere: a page has the sections that it has data of, and is as
// expected if each of them is.
func TestSectionsOfWhatIsThere(t *testing.T) {
	all := measurement(t)
	sound := all.Coverage[0]
	sound.Sites, sound.Callers, sound.Absent, sound.WrongSite, sound.OutdatedExclusions, sound.UnknownSites = sound.Sites[:1], nil, nil, nil, nil, nil
	killed := all.Mutation[0]
	killed.Mutants, killed.Alarms = killed.Mutants[:1], nil
	for want, m := range map[string]Measurement{
		"coverage bad": {Coverage: all.Coverage}, "coverage good": {Coverage: []matrix.Coverage{sound}},
		"mutation bad": {Mutation: all.Mutation}, "mutation good": {Mutation: []matrix.Mutation{killed}},
		"findings bad": {Findings: all.Findings}, "findings good": {Findings: all.Findings[:2]},
		"review bad": {Review: all.Review}, "review good": {Review: &changes.Review{Series: "s", Arches: []changes.Arch{{Arch: "arm64"}}}},
		"review bad ": {Review: &changes.Review{Series: "s"}}, // it has measured nothing
	} {
		got := ""
		for _, s := range sectionsOf(m) {
			got += s.Name + map[bool]string{true: " good", false: " bad"}[s.Good]
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", got, want)
		}
		v, _ := Find("html")
		if text, whole := write(t, v, m), strings.HasSuffix(want, "good"); !bytes.Contains(text, fmt.Appendf(nil, `"AsExpected":%v`, whole)) {
			t.Errorf("%s: the page differs", want)
		}
	}
	if err := Write(&bytes.Buffer{}, "html", Measurement{}); err == nil {
		t.Error("a page of nothing: no error")
	}
}

// TestMutationSection: a page has no number of false alarms, if the kernel without a
// mutant did not run, and writes what the Markdown view does.
func TestMutationSection(t *testing.T) {
	m := measurement(t)
	alarms := func(m Measurement) string {
		row := mutationSection(m).Tables[0].Rows[0].Cells
		return row[len(row)-1].Text
	}
	if got := alarms(m); got != "1" {
		t.Errorf("false alarms: %q, want 1", got)
	}
	m.Mutation[0].Alarms, m.Mutation[0].Mutants = nil, []matrix.Mutant{{Kind: matrix.Source, Site: "x.patch", Status: matrix.Killed}}
	if got, text := alarms(m), score(m.Mutation[0]); got != "did not run" || !strings.Contains(text, "the kernel without a mutant "+got) {
		t.Errorf("mutants of the source only: false alarms %q; %s", got, text)
	}
}

// TestSectionLooks: every word that a table has a look for has one that the page knows.
func TestSectionLooks(t *testing.T) {
	kinds := map[string]bool{}
	for _, v := range matrix.Verdicts() {
		kinds[page.Kind(v)] = true
	}
	has := func(word, kind string) {
		if !kinds[kind] || kind == "" {
			t.Errorf("%s looks %q, which the page does not know", word, kind)
		}
	}
	for _, s := range matrix.Statuses() {
		has(string(s), mutantKinds[s])
	}
	for _, s := range findings.Statuses() {
		has(string(s), findingKinds[s])
	}
	for _, r := range []matrix.Reach{matrix.SiteDenied, matrix.AllowedOnly, matrix.NotReached} {
		has(string(r), reachKinds[r])
	}
	for _, e := range []matrix.Evidence{matrix.Counted, matrix.Compared, matrix.AtBoot, matrix.NotExercised, matrix.LostCaller} {
		has(string(e), evidenceKinds[e])
	}
}

// TestBeside: what the verbs leave beside results is read as they wrote it.
func TestBeside(t *testing.T) {
	want, dir := reviewed(t), t.TempDir()
	want.Diff, want.Versions = nil, nil
	for i := range want.Findings {
		want.Findings[i].Steps = []findings.Step{{Setting: "none", Probe: "msr/write", Verdict: []matrix.Verdict{matrix.Leak}}}
	}
	if m, err := Beside(dir); err != nil || !m.Empty() {
		t.Errorf("an empty directory: %v, %+v", err, m)
	}
	for _, f := range beside {
		var b bytes.Buffer
		if err := JSON(&b, f.of(&want)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Beside(dir)
	if err != nil || got.Empty() {
		t.Fatal(err)
	}
	a, b := sectionsOf(got), sectionsOf(want)
	if !reflect.DeepEqual(a, b) || !slices.ContainsFunc(b, func(s page.Section) bool { return s.Name == "review" }) {
		t.Errorf("read %+v\nwant %+v", a, b)
	}
	for _, f := range beside {
		texts := []string{"{", `"x"`}
		if f.name == "findings.json" {
			texts = append(texts, "[{}]", `[{"ID": "a"}]`, `[{"Status": "refuted"}]`, `[{"ID": "a", "Status": "x", "Expect": "x"}]`)
		}
		for _, text := range texts {
			other := t.TempDir()
			if err := os.WriteFile(filepath.Join(other, f.name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if m, err := Beside(other); err == nil || !m.Empty() {
				t.Errorf("%s with %s: no error", f.name, text)
			}
		}
	}
}
