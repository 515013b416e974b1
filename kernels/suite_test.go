package kernels

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// A suiteMutant is a change of one file under test.
type suiteMutant struct {
	Name       string
	File       string   // default lockdownSource
	Old, New   string   // Old is in the file exactly once
	Config     []string // lines of the configuration that are needed to see it
	Args       []string // of the command line that are needed to see it
	Equivalent string   // why nothing can notice it
}

// suiteMutants reads a table: suite.toml, or suite-bitmap.toml.
func suiteMutants(t *testing.T, file string) []suiteMutant {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Mutant []suiteMutant }
	if err := strict.Decode(text, &table); err != nil {
		t.Fatal(err)
	}
	for i := range table.Mutant {
		table.Mutant[i].File = cmp.Or(table.Mutant[i].File, lockdownSource)
	}
	return table.Mutant
}

// Every mutant changes something in upstream's source, or in what the series make of
// it, and each has a name.
func TestSuiteMutants(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	source := os.DirFS(upstreamTree(t))
	o := patchset.NewOverlay(source, "out")
	for _, name := range upstreamSeries {
		s, err := tables.series(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Apply(s); err != nil {
			t.Fatal(err)
		}
	}
	checkMutants(t, "suite.toml", func(name string) ([]byte, error) { return fs.ReadFile(source, name) })
	checkMutants(t, "suite-bitmap.toml", func(name string) ([]byte, error) { f, err := o.Read(name); return f.Data, err })
}

func checkMutants(t *testing.T, file string, read func(string) ([]byte, error)) {
	seen := map[string]bool{}
	for _, m := range suiteMutants(t, file) {
		if m.Name == "" || seen[m.Name] || m.Old == m.New {
			t.Errorf("mutant %q: it has no name of its own, or changes nothing", m.Name)
		}
		seen[m.Name] = true
		text, err := read(m.File)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.Old); n != 1 {
			t.Errorf("mutant %s: %q is %d times in %s, want once", m.Name, m.Old, n, m.File)
		}
	}
}

var (
	passedSuite = regexp.MustCompile(`(?m)^ok \d+ (lockdown\w*)`)
	failedCase  = regexp.MustCompile(`(?m)^ +not ok \d+ (\w+)`)
	anyCase     = regexp.MustCompile(`\bKUNIT_CASE(?:_SLOW)?\((\w+)\)`)
	skippedCase = regexp.MustCompile(`(?m)^ +ok \d+ (\w+) # SKIP`)
)

// names returns what the expression finds, sorted.
func names(e *regexp.Regexp, console string) (all []string) {
	for _, m := range e.FindAllStringSubmatch(console, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return all
}

// passed reports whether a console shows that these suites passed, and no
// failure.
func passed(console string, suites ...string) bool {
	return slices.Equal(names(passedSuite, console), suites) && !strings.Contains(console, "not ok")
}

// again starts a suite once more in user space. The kernel panics at its end.
const again = `#!/bin/sh
mount -t sysfs none /sys && mount -t debugfs none /sys/kernel/debug && cd "/sys/kernel/debug/kunit/$suite" || exit
echo 1 >run
mount -t securityfs none /sys/kernel/security && cat /sys/kernel/security/lockdown
echo end of init
`

// notEarly makes a kernel in which "lsm=" may leave lockdown out. What selects the
// opposite is off, too.
var notEarly = []string{"# CONFIG_SECURITY_LOCKDOWN_LSM_EARLY is not set", "# CONFIG_SECURITY_LOCKDOWN_REASONS is not set"}

// Cases that are skipped, by what the kernel has to have for them.
var (
	skippedAlways = []string{"configured_level_is_in_force"}
	skippedEarly  = []string{"boot_code_locks_nothing_without_early"}
	skippedLate   = []string{"boot_code_locks_dev_mem"}
	skippedHooked = []string{"list_is_missing_without_the_hook"}
	skippedNoHook = []string{"hook_is_called"}
	skippedNoList = []string{"list_is_for_all_to_read", "list_shows_each_reason", "list_shows_the_levels"}
)

// TestSuiteForReal runs the KUnit suite of patches/kunit in user-mode kernels:
// on lockdown as it is, with the fix of patches/race, and with the series that go
// on top, locked and not, without an early LSM, and again in the same boot. It kills the mutants of
// testdata/suite.toml, and with the series on top those of suite-bitmap.toml.
func TestSuiteForReal(t *testing.T) {
	if os.Getenv("LDLAB_KUNIT") == "" {
		t.Skip("LDLAB_KUNIT is not set; make nightly sets it")
	}
	u := newUML(t, "kunit")
	u.checkpatch(upstreamSeries...)
	if err := u.make("W=1e", "security/lockdown/lockdown.o"); err != nil {
		t.Fatal(err)
	}
	u.suitePasses("upstream")
	for _, m := range suiteMutants(t, "suite.toml") {
		u.sub(m.Name, func() { u.kills(m) })
	}
	u.configure(nil)
	u.suitePassesLate("upstream")
	for _, name := range []string{"race", "bitmap", "bitmap-rfc"} {
		u.apply(name)
		u.configure(nil)
		u.suitePasses(name)
		if name == "bitmap" {
			u.suitePassesLate(name)
		}
	}
	for _, m := range suiteMutants(t, "suite-bitmap.toml") {
		u.sub(m.Name, func() { u.kills(m) })
	}
}

// sub runs a subtest.
func (u *uml) sub(name string, do func()) {
	parent := u.t
	parent.Run(name, func(t *testing.T) {
		u.t = t
		defer func() { u.t = parent }()
		do()
	})
}

// suitePasses builds the kernel as it is and expects every run to pass.
func (u *uml) suitePasses(name string) {
	u.t.Helper()
	if err := u.make("linux"); err != nil {
		u.t.Fatal(err)
	}
	for _, arg := range []string{"lockdown=", "lockdown=integrity", "lockdown=confidentiality", "lsm=yama"} {
		u.sub(name+" "+arg, func() {
			console := u.run("kunit_shutdown=halt", arg)
			if !passed(console, "lockdown", "lockdown_param") {
				u.t.Errorf("not passed:\n%s", console)
			}
			u.skipped(console, skippedAlways, skippedEarly, skippedHooked)
		})
	}
	u.sub(name+" twice", func() {
		console := u.again("lockdown", "lockdown=")
		if !passed(console, "lockdown", "lockdown", "lockdown_param") {
			u.t.Errorf("not passed twice:\n%s", console)
		}
		if !strings.Contains(console, "\n[none] integrity confidentiality") {
			u.t.Errorf("the suite left a level:\n%s", console)
		}
	})
	// In a locked kernel user space cannot start what suspends the lock.
	u.sub(name+" not twice", func() {
		console := u.again("lockdown", "lockdown=integrity")
		if !passed(console, "lockdown", "lockdown_param") || !strings.Contains(console, "\nnone [integrity] confidentiality") {
			u.t.Errorf("not passed once, or the level is gone:\n%s", console)
		}
	})
}

// suitePassesLate builds the kernel without the early LSM and expects every run to
// pass, with the hook in place and without.
func (u *uml) suitePassesLate(name string) {
	u.t.Helper()
	u.configure(notEarly)
	if err := u.make("linux"); err != nil {
		u.t.Fatal(err)
	}
	without := [][]string{skippedAlways, skippedLate, skippedNoHook, skippedNoList}
	if strings.Contains(u.read(lockdownSource), ".initcall_core") { // from 6.19 on, then there is no file at all
		without = [][]string{names(anyCase, u.read("security/lockdown/lockdown_test.c"))}
	}
	for arg, skipped := range map[string][][]string{
		"lockdown=integrity": {skippedAlways, skippedLate, skippedHooked},
		"lsm=yama":           without,
	} {
		u.sub(name+" not early "+arg, func() {
			console := u.run("kunit_shutdown=halt", arg)
			if !passed(console, "lockdown", "lockdown_param") {
				u.t.Errorf("not passed:\n%s", console)
			}
			u.skipped(console, skipped...)
		})
	}
}

// skipped expects just these cases to be skipped, as far as the suite has them.
func (u *uml) skipped(console string, lists ...[]string) {
	u.t.Helper()
	suite := u.read("security/lockdown/lockdown_test.c")
	var want []string
	for _, name := range slices.Concat(lists...) {
		if strings.Contains(suite, "("+name+")") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if got := names(skippedCase, console); !slices.Equal(got, want) {
		u.t.Errorf("skipped: %s, want %s", got, want)
	}
}

// The cases that are expected to be skipped are in the suite with all series on top.
func TestSkippedCasesExist(t *testing.T) {
	var suite strings.Builder
	for _, name := range upstreamSeries {
		for _, file := range mustGlob(t, filepath.Join("patches", name, "*.patch")) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			suite.Write(text)
		}
	}
	for _, name := range slices.Concat(skippedAlways, skippedEarly, skippedLate, skippedHooked, skippedNoHook, skippedNoList) {
		if !strings.Contains(suite.String(), "("+name+")") {
			t.Errorf("no series has the case %s", name)
		}
	}
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %v, %v", pattern, list, err)
	}
	return list
}

// again boots the kernel with an init that starts a suite once more.
func (u *uml) again(suite, arg string) string {
	u.t.Helper()
	script := filepath.Join(u.t.TempDir(), "init")
	testutil.WriteProgram(u.t, script, []byte(strings.Replace(again, "$suite", suite, 1)))
	console := u.run("init="+script, arg)
	if !strings.Contains(console, "end of init") {
		u.t.Fatalf("init did not end:\n%s", console)
	}
	return console
}

// kills builds a mutant and expects the suite to fail; the tree is afterwards as
// it was.
func (u *uml) kills(m suiteMutant) {
	u.t.Helper()
	before := u.read(m.File)
	if n := strings.Count(before, m.Old); n != 1 {
		u.t.Fatalf("%q is %d times in %s, want once", m.Old, n, m.File)
	}
	if !slices.Equal(m.Config, u.config) {
		u.configure(m.Config)
		if err := u.make("linux"); err != nil {
			u.t.Fatal(err)
		}
		if console := u.run(append([]string{"kunit_shutdown=halt"}, m.Args...)...); !passed(console, "lockdown", "lockdown_param") {
			u.t.Fatalf("without the mutant:\n%s", console)
		}
	}
	u.write(m.File, strings.Replace(before, m.Old, m.New, 1))
	defer u.write(m.File, before)
	if err := u.make("linux"); err != nil {
		u.t.Fatal(err)
	}
	console := u.run(append([]string{"kunit_shutdown=halt"}, m.Args...)...)
	failed := names(failedCase, console)
	survived := passed(console, "lockdown", "lockdown_param")
	switch {
	case !strings.Contains(console, "KTAP version 1"):
		u.t.Errorf("the suite did not run:\n%s", console)
	case survived && m.Equivalent == "":
		u.t.Errorf("survived:\n%s", console)
	case !survived && m.Equivalent != "":
		u.t.Errorf("it is not equivalent: killed by %s", failed)
	case len(failed) == 0 && !survived:
		u.t.Logf("killed by the end of the kernel:\n%s", console[max(0, len(console)-1500):])
	case survived:
		u.t.Logf("equivalent: %s", m.Equivalent)
	default:
		u.t.Logf("killed by %s", failed)
	}
}
