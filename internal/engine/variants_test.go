package engine

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

var update = flag.Bool("update", false, "write docs/variants.md anew")

// A variant is a way to turn lockdown on, or not.
type variant struct {
	kernel  string
	series  string // a patch in kernels/mutants; empty: none
	setting string // what is to be locked, as the lab has it
	append  string // other kernel arguments
	reads   string // the level that the file shows; none, or empty if there is no file
	denied  lockdown.Level
	verdict matrix.Verdict // of the probes that the setting locks; empty: not judged
	why     string         // for readers of the table
}

const (
	noLSM       = "lsm=capability"
	lostLock    = "lock-lost.patch"
	overTheFile = "the file says one thing, the denials another"
)

// variants are those of x86_64, because who wins does not depend on the architecture.
// What a setting does not pass is in append, and then its verdicts say nothing.
var variants = []variant{
	{"stock", "", "none", "", "none", lockdown.None, "", ""},
	{"stock", "", "integrity@boot", "", "integrity", lockdown.Integrity, matrix.Enforced, ""},
	{"stock", "", "integrity@runtime", "", "integrity", lockdown.Integrity, matrix.Enforced, ""},
	{"stock", "", "confidentiality@boot", "", "confidentiality", lockdown.Confidentiality, matrix.Enforced, ""},
	{"stock", "", "none", "lockdown=integrity lockdown=confidentiality", "confidentiality", lockdown.Confidentiality, "", "repeated: the higher level wins"},
	{"stock", "", "none", "lockdown=confidentiality lockdown=integrity", "confidentiality", lockdown.Confidentiality, "", "repeated: the higher level wins, whatever its place"},
	{"stock", "", "none", "lockdown=integrity lockdown=none", "integrity", lockdown.Integrity, "", "none is no level: it is ignored"},
	{"stock", "", "none", "lockdown=none", "none", lockdown.None, "", ""},
	{"stock", "", "none", "lockdown=Integrity", "none", lockdown.None, "", "levels are written in lower case, and anything else is ignored"},
	{"stock", "", "none", "lockdown=integrity,confidentiality", "none", lockdown.None, "", "one level only"},
	{"stock", "", "none", "lockdown", "none", lockdown.None, "", "no level"},
	{"stock", "", "integrity@boot", noLSM, "integrity", lockdown.Integrity, matrix.Enforced, "an early LSM is there whatever lsm= has"},
	{"bitmap", "", "none", "lockdown=confidentiality lockdown=integrity", "confidentiality", lockdown.Confidentiality, "", "as mainline"},
	{"late", "", "integrity@boot", "", "integrity", lockdown.Integrity, matrix.Enforced, "CONFIG_LSM has lockdown"},
	{"late", "", "integrity@boot", noLSM, "integrity", lockdown.None, matrix.NotLocked, overTheFile},
	{"late", "", "integrity@runtime", noLSM, "integrity", lockdown.None, matrix.NotLocked, overTheFile},
	{"late", "", "none", noLSM, "none", lockdown.None, "", ""},
	{"force-integrity", "", "none", "", "integrity", lockdown.Integrity, "", "locked by its configuration"},
	{"force-integrity", "", "none", "lockdown=none", "integrity", lockdown.Integrity, "", "no argument takes it back"},
	{"force-integrity", "", "none", "lockdown=confidentiality", "confidentiality", lockdown.Confidentiality, "", "an argument can raise it"},
	{"force-integrity", "", "confidentiality@runtime", "", "confidentiality", lockdown.Confidentiality, "", "user space can raise it"},
	{"force-confidentiality", "", "none", "", "confidentiality", lockdown.Confidentiality, "", "locked by its configuration"},
	{"force-confidentiality", "", "none", "lockdown=integrity", "confidentiality", lockdown.Confidentiality, "", "no argument lowers it"},
	{"force-confidentiality", "", "integrity@runtime", "", "confidentiality", lockdown.Confidentiality, "", "user space cannot lower it: the write fails"},
	{"stock", lostLock, "integrity@kernel", "", "none", lockdown.None, matrix.NotLocked, "the kernel locks itself too early, and the lock is lost without a word (CVE-2025-1272)"},
}

// variantProbes are for reasons of each level.
var variantProbes = map[lockdown.Level][]string{
	lockdown.Integrity:       {"devmem/open", "ioport/iopl", "kexec/load", "msr/write"},
	lockdown.Confidentiality: {"kcore/open", "kprobes/perf", "perf/regs-intr"},
}

// TestVariantsForReal boots each variant, and demands what its row says of it. With
// -update it writes docs/variants.md. Its kernels are built by make nightly only, which
// sets LDLAB_VARIANTS.
func TestVariantsForReal(t *testing.T) {
	if os.Getenv("LDLAB_VARIANTS") == "" {
		t.Skip("LDLAB_VARIANTS is not set; make nightly sets it")
	}
	var text strings.Builder
	for _, v := range variants {
		t.Run(fmt.Sprint(v.kernel, v.series, " ", v.setting, " ", v.append), func(t *testing.T) {
			text.WriteString(v.run(t))
		})
	}
	t.Run("nolockdown", func(t *testing.T) {
		p := forReal(t, plan.Selection{Kernels: []string{"nolockdown"}, Arches: []string{"x86_64"}})
		_, err := Run(t.Context(), p, Options{Out: t.TempDir()})
		var none *NoLockdownError
		if !errors.As(err, &none) {
			t.Errorf("error %v", err)
		}
		fmt.Fprintf(&text, "| nolockdown | any | | there is no file | - | - | exit 5: %v |\n", err)
	})
	const file = "../../docs/variants.md"
	doc := variantsHead + text.String()
	if *update {
		if err := os.WriteFile(file, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || string(old) != doc {
		t.Errorf("%s is not what this run makes (-update writes it): %v", file, err)
	}
}

const variantsHead = `# Ways to turn lockdown on, and what they do

Made by ` + "`make variants`" + ` (TestVariantsForReal in internal/engine), which boots each row on x86_64. "Denied"
counts probes that were allowed by a kernel with nothing locked: four for reasons of integrity, three
for reasons of confidentiality. A verdict stands where the lab knows what is to be locked; there is
none where the kernel is locked with the setting ` + "`none`" + `, because then nothing is a control.

` + "`not locked`" + ` is a verdict of its own: the file says one thing, the denials another. The exit status
of such a run is 1.

| kernel | kernel arguments | other lock | file reads | integrity denied | confidentiality denied | verdict; why |
|---|---|---|---|---|---|---|
`

// run boots the variant and returns its row.
func (v variant) run(t *testing.T) string {
	sel := plan.Selection{Kernels: []string{v.kernel}, Arches: []string{"x86_64"}, Settings: []string{v.setting}, Append: v.append,
		Probes: slices.Concat(variantProbes[lockdown.Integrity], variantProbes[lockdown.Confidentiality])}
	forReal(t, sel)
	if v.series != "" {
		sel.Series = []string{"../../kernels/mutants/" + v.series}
	}
	out := t.TempDir()
	m, err := Run(t.Context(), mustPlan(t, sel), Options{Out: out, Boot: true})
	if err != nil {
		t.Fatal(err)
	}
	set, err := results.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(set.Results, func(r matrix.Result) bool { return r.Setting.String() == v.setting })
	if i < 0 || !set.Results[i].End.Well() {
		dump(t, m)
		t.Fatalf("%s: no result", v.setting)
	}
	run := set.Results[i].Plain()
	level := shown(run.State("locked").Level)
	if level != v.reads {
		t.Errorf("the file shows %q, want %q", level, v.reads)
	}
	denied := map[lockdown.Level]int{}
	for l, probes := range variantProbes {
		for _, o := range run.Observations {
			if slices.Contains(probes, o.Probe) && o.Outcome == scenarios.Denied {
				denied[l]++
			}
		}
		want := 0
		if l <= v.denied {
			want = len(probes)
		}
		if denied[l] != want {
			dump(t, m)
			t.Errorf("%s: %d are denied, want %d", l, denied[l], want)
		}
	}
	setting, _ := lockdown.ParseSetting(v.setting)
	args := strings.TrimSpace(strings.Join(setting.KernelArgs(), " ") + " " + v.append)
	if args != "" {
		args = "`" + args + "`"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d of %d | %d of %d | %s |\n", v.name(), args, v.lockedBy(setting), cmp.Or(level, "there is no file"),
		denied[lockdown.Integrity], len(variantProbes[lockdown.Integrity]), denied[lockdown.Confidentiality], len(variantProbes[lockdown.Confidentiality]), v.judged(t, m))
}

func (v variant) name() string {
	if v.series != "" {
		return v.kernel + " with " + v.series
	}
	return v.kernel
}

// lockedBy is what is to lock, beside the arguments.
func (v variant) lockedBy(s lockdown.Setting) string {
	switch {
	case s.Via == lockdown.Runtime:
		return fmt.Sprintf("`echo %s` at run time", s.Level)
	case s.Via == lockdown.Kernel, strings.HasPrefix(v.kernel, "force-"):
		return "the kernel itself"
	}
	return ""
}

// judged is the verdict of the probes that the setting locks, and why.
func (v variant) judged(t *testing.T, m *matrix.Matrix) string {
	table := m.Tables[0]
	column := slices.IndexFunc(table.Columns, func(c matrix.Column) bool { return c.Setting.String() == v.setting })
	if v.verdict != "" {
		for _, row := range table.Rows {
			info, _ := lockdown.Info(mustRow(t, row.Probe).Reason)
			if cell := row.Cells[column]; info.Level <= table.Columns[column].Setting.Level && cell.Verdict != v.verdict {
				t.Errorf("%s: %s (%s), want %s", row.Probe, cell.Verdict, cell.Why, v.verdict)
			}
		}
		if (v.verdict == matrix.NotLocked) == m.AsExpected() {
			t.Errorf("as expected: %v", m.AsExpected())
		}
	}
	return strings.Trim(string(v.verdict)+"; "+v.why, "; ")
}

func mustRow(t *testing.T, probe string) scenarios.Row {
	t.Helper()
	row, ok := scenarios.Find(probe)
	if !ok {
		t.Fatalf("there is no probe %s", probe)
	}
	return row
}

// shown is the level in brackets.
func shown(text string) string {
	_, rest, _ := strings.Cut(text, "[")
	level, _, _ := strings.Cut(rest, "]")
	return level
}
