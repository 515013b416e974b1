package review

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/patchset"
)

func newReviewer(t *testing.T, o Options, hint patchset.Hint) (*reviewer, *[]string) {
	t.Helper()
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	o.Engine.Event = func(e engine.Event) { notes = append(notes, e.Note) }
	return &reviewer{Options: o, tables: tables, input: input{series: []kernels.Series{{Hint: hint}}}}, &notes
}

// Each way to name a base comes before the ones that are less certain.
func TestCandidates(t *testing.T) {
	commit := strings.Repeat("0123456789", 4)
	for _, c := range []struct {
		name  string
		o     Options
		hint  patchset.Hint
		first string // the first candidate, and why
		note  string
	}{
		{"nothing is known", Options{}, patchset.Hint{}, "6.12: a base of the table", ""},
		{"--base", Options{Base: "7.2"}, patchset.Hint{Versions: []string{"6.1"}}, "7.2: --base", ""},
		{"--source", Options{Source: "git:/x@v1"}, patchset.Hint{Commit: commit}, "git:/x@v1: --source", ""},
		{"the subject", Options{}, patchset.Hint{Versions: []string{"9.9", "6.1"}}, "6.1: the subject names 6.1", "9.9, which is no base"},
		{"no base", Options{}, patchset.Hint{Versions: []string{"6.13"}, Told: []string{"9.9"}}, "6.12: a base of the table", "the subject names 6.13, which is no base"},
		{"far from the lab's own", Options{}, patchset.Hint{Versions: []string{"5.19"}}, "6.1: a base of the table", "5.19, which is no base"},
		{"the cover letter", Options{}, patchset.Hint{Told: []string{"7.2"}}, "7.2: the mails name as its base 7.2", ""},
		{"base-commit and no tree", Options{}, patchset.Hint{Commit: commit}, "6.12: a base of the table", "base-commit 012345678901"},
		{"base-commit", Options{Tree: "/x"}, patchset.Hint{Commit: commit}, "git:/x@" + commit + ": base-commit", ""},
		{"commits", Options{Series: "git:/x@a..b"}, patchset.Hint{Source: "git:/x@y@" + commit}, "git:/x@y@" + commit + ": the parent of the first commit", ""},
	} {
		r, notes := newReviewer(t, c.o, c.hint)
		list, named, err := r.candidates()
		if err != nil || len(list) == 0 {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := list[0].name() + ": " + list[0].why; got != c.first {
			t.Errorf("%s: %s, want %s", c.name, got, c.first)
		}
		if !strings.Contains(strings.Join(append(named, *notes...), "\n"), c.note) || c.note == "" && len(named) > 0 {
			t.Errorf("%s: notes %q, %q, want %s", c.name, named, *notes, c.note)
		}
		seen := map[string]bool{}
		for _, x := range list {
			if seen[x.name()] {
				t.Errorf("%s: %s is tried twice", c.name, x.name())
			}
			seen[x.name()] = true
		}
		if len(list) < len(r.tables.Bases()) {
			t.Errorf("%s: %d candidates, and the table has %d bases", c.name, len(list), len(r.tables.Bases()))
		}
	}
	r, _ := newReviewer(t, Options{Source: "nonsense"}, patchset.Hint{})
	var bad *kernels.InputError
	if _, _, err := r.candidates(); !errors.As(err, &bad) {
		t.Errorf("a source that is none: %v", err)
	}
}

// The lab's own base comes first, then upstream's, the newest first; those near a version
// that the mails name, if there is one.
func TestByDistance(t *testing.T) {
	r, _ := newReviewer(t, Options{}, patchset.Hint{})
	if near := r.byDistance("6.12", []string{"7.0"}); !slices.Equal(near[:2], []string{"7.2", "7.3"}) || slices.Index(near, "6.12") > slices.Index(near, "6.1") {
		t.Errorf("near 7.0: %q", near)
	}
	if near := r.byDistance("6.12", []string{"6.2"}); !slices.Equal(near[:2], []string{"6.1", "debian-6.1"}) {
		t.Errorf("near 6.2: %q", near)
	}
	if n := releases("7.0") - releases("6.19"); n != 1 {
		t.Errorf("%d releases from 6.19 to 7.0", n)
	}
	list := r.byDistance("6.12", nil)
	at := func(name string) int { return slices.Index(list, name) }
	if at("6.12") != 0 || !(at("7.2") < at("6.1") && at("6.1") < at("debian-7.3") && at("debian-7.3") < at("debian-6.12")) {
		t.Errorf("%q", list)
	}
}

func TestOfKernel(t *testing.T) {
	series := func(files ...string) (list []kernels.Series) {
		var b strings.Builder
		for _, f := range files {
			b.WriteString("--- a/" + f + "\n+++ b/" + f + "\n@@ -1 +1 @@\n-a\n+b\n")
		}
		s, err := patchset.Read("x", strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		return []kernels.Series{s}
	}
	for _, c := range []struct {
		files []string
		want  string // the error
	}{
		{[]string{"security/lockdown/lockdown.c"}, ""},
		{[]string{"MAINTAINERS"}, ""},
		{[]string{"man7/x.7", "kernel/x.c"}, ""},
		{[]string{"man7/kernel_lockdown.7"}, "such as man7/kernel_lockdown.7"},
		{[]string{"kernel"}, "such as kernel"},
		{[]string{"README.md"}, "such as README.md"},
	} {
		err := ofKernel(series(c.files...))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.files, err, c.want)
		}
	}
}

func TestDifference(t *testing.T) {
	got := difference(&kernels.MismatchError{File: "f", Hunk: 2, At: 7, Want: []string{"a", "b", "c"}, Have: []string{"a", "x"}})
	want := []string{"f, hunk 2: the lines that are most like it begin at line 7; - is what the patch expects, + what is there", "  a", "- b", "+ x", "- c", "+ "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Without the lab's own series, base and series differ in nothing but the series.
func TestWithoutLab(t *testing.T) {
	r, _ := newReviewer(t, Options{}, patchset.Hint{})
	r.spec = r.specOf(r.arches()[0], []kernels.Patch{{Name: "x"}}, true)
	if k := r.spec.Kernel; !slices.Equal(k.Series, []string{"lab"}) || !slices.Equal(k.Config, []string{"lab"}) {
		t.Errorf("with the lab's series: %+v", k)
	}
	r.withoutLab("because")
	for _, whole := range []bool{false, true} {
		if k := r.kernel(whole); len(k.Series)+len(k.Config) != 0 {
			t.Errorf("without it: %+v", k)
		}
	}
	if len(r.spec.Kernel.Series) != 0 || len(r.spec.Series) != 1 || len(r.result.Notes) != 1 {
		t.Errorf("%+v, notes %q", r.spec, r.result.Notes)
	}
}

// The symbols of suites are found in the Kconfig files of a series.
func TestSuites(t *testing.T) {
	text := "--- a/security/lockdown/Kconfig\n+++ b/security/lockdown/Kconfig\n@@ -1,1 +1,10 @@\n config SECURITY_LOCKDOWN_LSM\n+config OTHER\n+\tbool \"x\"\n+\n+config SECURITY_LOCKDOWN_LSM_TEST\n+\ttristate \"KUnit\" if !KUNIT_ALL_TESTS\n+\tdepends on SECURITY_LOCKDOWN_LSM && KUNIT\n+\thelp\n+\t  Text.\n+\n" +
		"--- a/security/x.c\n+++ b/security/x.c\n@@ -1,1 +1,2 @@\n a\n+config KUNIT\n"
	s, err := patchset.Read("x", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := suites(s.Patches); !slices.Equal(got, []string{"CONFIG_SECURITY_LOCKDOWN_LSM_TEST"}) {
		t.Errorf("%q", got)
	}
}

// Only what a caller depends on is the prototype.
func TestPrototypeOf(t *testing.T) {
	const want = "int security_locked_down(enum lockdown_reason)"
	for _, text := range []string{
		"int security_locked_down(enum lockdown_reason what);", "int security_locked_down(enum lockdown_reason reason);", "int security_locked_down(enum lockdown_reason);",
		"int __must_check security_locked_down(enum lockdown_reason\n\t\t\twhat);", "static inline int security_locked_down(enum lockdown_reason what)",
	} {
		if got := prototypeOf([]byte("x;\n" + text)); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	if got := prototypeOf([]byte("int security_locked_down(const struct cred *cred, enum lockdown_reason what);")); got != "int security_locked_down(const struct cred *, enum lockdown_reason)" {
		t.Errorf("two parameters: %s", got)
	}
}

// What a try failed of decides whether another source is tried.
func TestKindOf(t *testing.T) {
	r, _ := newReviewer(t, Options{}, patchset.Hint{})
	for _, c := range []struct {
		name  string
		err   error
		first bool
		want  int
	}{
		{"a hunk", &kernels.ApplyError{Err: &kernels.MismatchError{}}, true, mismatch},
		{"a version", &kernels.VersionError{}, true, mismatch},
		{"outside of the tree", &kernels.ApplyError{Err: &kernels.RefusedError{}}, false, final},
		{"the mirror, at the lab's own base", errors.New("no route to host"), true, final},
		{"the mirror, at another one", errors.New("no route to host"), false, hostFault},
	} {
		if got := r.kindOf(t.Context(), c.err, c.first); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if r.Strict = true; len(r.rounds()) != 1 {
		t.Error("fuzz is tried with --strict")
	}
}

// What is wrong with the command line is told before anything is read.
func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Probes: []string{"no/probe"}}, `unknown probe "no/probe"`},
		{Options{Scenarios: []string{"nothing"}}, `unknown scenario "nothing"`},
		{Options{Version: -1}, "a positive number, and not -1"},
		{Options{OldVersion: -2}, "a positive number, and not -2"},
		{Options{Tree: "/nonexistent"}, "--tree: stat /nonexistent"},
		{Options{Tree: file}, "is not a directory"},
		{Options{Tree: t.TempDir()}, "is no git repository"},
	} {
		r, _ := newReviewer(t, c.o, patchset.Hint{})
		var usage *plan.UsageError
		if err := r.check(t.Context()); !errors.As(err, &usage) || !strings.Contains(usage.Text, c.want) {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
	r, _ := newReviewer(t, Options{Probes: []string{"msr/write"}, Scenarios: []string{"kexec"}, Version: 2}, patchset.Hint{})
	if err := r.check(t.Context()); err != nil {
		t.Error(err)
	}
}

// What reading a series found is told at once, before a base is looked for.
func TestNotesOfReading(t *testing.T) {
	var notes []string
	o := Options{Series: filepath.Join(t.TempDir(), "t.mbox"), Source: "dir:/nonexistent"}
	o.Engine.Event = func(e engine.Event) { notes = append(notes, e.Note) }
	o.Engine.Cache = t.TempDir()
	var text strings.Builder
	for _, tag := range []string{"PATCH", "PATCH v2"} {
		text.WriteString("From a@example.org Sat Nov 22 10:00:00 2025\nFrom: A <a@example.org>\nSubject: [" + tag + "] x\n\n--- a/kernel/x.c\n+++ b/kernel/x.c\n@@ -1 +1 @@\n-a\n+b\n\n")
	}
	if err := os.WriteFile(o.Series, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Review(t.Context(), o); err == nil {
		t.Error("there is no source, and no error")
	}
	if !strings.Contains(strings.Join(notes, "\n"), "v1") {
		t.Errorf("%q", notes)
	}
}
