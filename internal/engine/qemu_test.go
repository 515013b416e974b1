package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

// forReal skips a test that boots, or fails it if LDLAB_REQUIRE requires it: in
// short mode, without QEMU, or if its kernel is not built yet ("make test"
// builds it first).
func forReal(t *testing.T, sel plan.Selection) *plan.Plan {
	t.Helper()
	if testing.Short() {
		t.Skip("boots real kernels")
	}
	p := mustPlan(t, sel)
	for _, b := range p.Builds {
		_, err := exec.LookPath(b.Arch.QEMU)
		testutil.Require(t, "qemu", err)
		spec := kernels.Spec{Kernel: b.Kernel, Arch: b.Arch}
		if _, ok, err := (&kernels.Builder{}).Lookup(t.Context(), spec); err != nil || !ok {
			testutil.Require(t, "kernels", fmt.Errorf("kernel %s for %s is not built: %w", b.Kernel.Name, b.Arch.Name, cmp.Or(err, fs.ErrNotExist)))
		}
	}
	return p
}

// boot runs a plan with QEMU and returns its matrix.
func boot(t *testing.T, p *plan.Plan) *matrix.Matrix { return bootWith(t, p, Options{}) }

func bootWith(t *testing.T, p *plan.Plan, o Options) *matrix.Matrix {
	t.Helper()
	o.Out = t.TempDir()
	o.Event = func(e Event) {
		switch {
		case e.Note != "":
			t.Log(e.Note)
		case e.Guest != nil:
			t.Logf("%s: %s in %.1f s", e.Guest.Guest.ID(), e.Guest.Outcome, e.Guest.Took.Seconds())
		}
	}
	m, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func dump(t *testing.T, m *matrix.Matrix) {
	t.Helper()
	var b strings.Builder
	report.Write(&b, "text", report.Measurement{Matrix: m})
	t.Log("\n" + b.String())
}

// notBuilt lists options that probes need and that the lab's kernels leave out
// because of their cost: a call in every function, or type information of the
// whole kernel. The kernel wide has them (TestNotBuiltIsInWide).
var notBuilt = []string{
	"CONFIG_DYNAMIC_FTRACE", "CONFIG_FUNCTION_GRAPH_TRACER", "CONFIG_FUNCTION_PROFILER", "CONFIG_STACK_TRACER",
	"CONFIG_FPROBE_EVENTS", "CONFIG_DEBUG_INFO_BTF",
	"CONFIG_IO_URING", "CONFIG_BLK_DEV_DM", "CONFIG_TLS", "CONFIG_TCP_MD5SIG", "CONFIG_WIREGUARD",
	"CONFIG_VFIO", "CONFIG_VIRTIO_INPUT",
	"no BAR of this machine can be mapped write-combining", // CONFIG_X86_PAT
}

// notBuiltButInKUnit is the option of the probes of KUnit suites, which only the kernel
// kunit has: it changes task_struct, so every object would be built again.
const notBuiltButInKUnit = "CONFIG_KUNIT_DEBUGFS"

// TestNotBuiltIsInWide: a probe whose option no kernel of the lab has would never
// run.
func TestNotBuiltIsInWide(t *testing.T) {
	const name = "../../kernels/config/wide.config"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := kconfig.ParseFragment(name, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range notBuilt {
		has := slices.ContainsFunc(wide.Lines, func(o kconfig.Option) bool { return o.Symbol == symbol && o.Value == "y" })
		if strings.HasPrefix(symbol, "CONFIG_") && !has {
			t.Errorf("%s does not have %s", name, symbol)
		}
	}
}

// TestDefaultPlanForReal is "make run": every verdict is as expected, on both
// architectures, and the isolation matrix is clean.
func TestDefaultPlanForReal(t *testing.T) {
	m := boot(t, forReal(t, plan.Selection{}))
	if !m.AsExpected() || len(m.Errors()) > 0 {
		dump(t, m)
		t.Errorf("not as expected: %v", m.Errors())
	}
	for _, table := range m.Tables {
		a := arch.Get(table.Arch)
		for _, row := range table.Rows {
			probe, _ := scenarios.Find(row.Probe)
			for j, c := range row.Cells {
				// The lab's kernels have what a checked probe needs, unless the
				// architecture lacks it or it would slow every boot.
				if c.Verdict == matrix.Unavailable && probe.On(a.Name) && !slices.Contains(notBuilt, c.Why) && c.Why != notBuiltButInKUnit {
					t.Errorf("%s %s: %s is unavailable: %s", a.Name, table.Columns[j].Setting, row.Probe, c.Why)
				}
			}
		}
		if rs, want := table.Reasons(), map[string]int{"x86_64": 22, "arm64": 19}[a.Name]; len(rs.Enforced) != want {
			t.Errorf("%s: %d reasons are enforced, want %d: %v", a.Name, len(rs.Enforced), want, rs.Enforced)
		}
		sq := table.Isolation()
		if sq == nil || len(sq.Reasons) != len(plan.Reached(table.Arch, m.Header.Probes)) {
			t.Errorf("%s: no isolation matrix over every reason that is probed", table.Arch)
			continue
		}
		for i := range sq.Cells {
			for j, s := range sq.Cells[i] {
				if !s.Isolated() {
					t.Errorf("%s: %s locked alone, %s probed: %d of %d denied", table.Arch, sq.Reasons[i], sq.Reasons[j], s.Denied, s.Probes)
				}
			}
		}
	}
}

// TestCoverageForReal: nine of ten call sites are exercised, and the rest have
// a reason.
func TestCoverageForReal(t *testing.T) {
	p := forReal(t, plan.ForSites(plan.Selection{}))
	covered, _, err := Coverage(t.Context(), p, Options{Out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range covered {
		present, refused, open := c.Count()
		if 10*(refused+open) < 9*present || !c.Sound() {
			var b strings.Builder
			report.Write(&b, "coverage", report.Measurement{Coverage: []matrix.Coverage{c}})
			t.Errorf("%s: %d of %d call sites exercised:\n%s", c.Arch, refused+open, present, b.String())
		}
	}
}

// TestMutantsForReal runs a sample of "ldlab mutate": every kind, some call sites.
func TestMutantsForReal(t *testing.T) {
	p := forReal(t, plan.ForSites(plan.Selection{}))
	mutated, _, err := Mutate(t.Context(), p, Options{Out: t.TempDir()}, MutantChoice{Sample: 13})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutated {
		if !m.Sound() {
			var b strings.Builder
			report.Write(&b, "mutation", report.Measurement{Mutation: []matrix.Mutation{m}})
			t.Errorf("%s: %d killed, %d survived:\n%s", m.Arch, m.Count(matrix.Killed), m.Count(matrix.Survived), b.String())
		}
	}
}

// TestStockForReal briefly runs mainline's lockdown.
func TestStockForReal(t *testing.T) {
	m := boot(t, forReal(t, plan.Selection{Kernels: []string{"stock"}, Arches: []string{"x86_64"}, Settings: []string{"integrity@boot", "confidentiality@runtime"}}))
	if !m.AsExpected() {
		dump(t, m)
		t.Error("not as expected")
	}
}

// TestPostedForReal runs bitmap-v1: the reasons are enforced, and lockdown's
// own file breaks mainline's ABI in the ways that the review named.
func TestPostedForReal(t *testing.T) {
	m := boot(t, forReal(t, plan.Selection{Kernels: []string{"posted"}, Arches: []string{"x86_64"},
		Settings: []string{"integrity@runtime", "confidentiality@boot", "kexec@runtime"}}))
	for _, row := range m.Tables[0].Rows {
		for i, c := range row.Cells {
			setting := m.Tables[0].Columns[i].Setting.String()
			deviates := strings.HasPrefix(row.Probe, "securityfs/")
			if deviates && row.Probe == "securityfs/show" && setting == "integrity@runtime" {
				deviates = false // the one level that is shown as in mainline
			}
			if deviates && row.Probe == "securityfs/junk" && setting == "integrity@runtime" {
				deviates = false
			}
			if (c.Verdict == matrix.Deviates) != deviates || (!deviates && !c.Verdict.Expected()) {
				t.Errorf("%s under %s: %s: %s", row.Probe, setting, c.Verdict, c.Why)
			}
		}
	}
}

// TestLeakIsCaught removes the check of one call site in each architecture's
// kernel: the lab must report LEAK for that feature and for nothing else. On
// arm64 the probes of scenario lifted do an act of that reason, too.
func TestLeakIsCaught(t *testing.T) {
	for _, tc := range []struct {
		arch, mutant string
		leaks        []string
	}{
		{"x86_64", "msr-write.patch", []string{"msr/write", "kept/msr", "kept/msr-written"}},
		{"arm64", "dev-mem.patch", []string{"devmem/open", "devmem/open-rdwr", "devmem/read", "devmem/write", "devmem/mmap", "devmem/mmap-write",
			"devmem/port-open", "lifted/sysrq", "lifted/sysrq-line", "lifted/files", "kept/devmem", "kept/devmem-map"}},
	} {
		t.Run(tc.arch, func(t *testing.T) {
			sel := plan.Selection{Arches: []string{tc.arch}, Settings: []string{"integrity@boot", "kexec@runtime"}}
			forReal(t, sel) // the kernel below the series is built
			sel.Series = []string{filepath.Join("testdata", "mutants", tc.mutant)}
			p := mustPlan(t, sel)
			m := boot(t, p)
			for _, row := range m.Tables[0].Rows {
				for i, c := range row.Cells {
					setting := m.Tables[0].Columns[i].Setting
					leak := slices.Contains(tc.leaks, row.Probe) && setting.String() == "integrity@boot"
					if (c.Verdict == matrix.Leak) != leak || (!leak && !c.Verdict.Expected()) {
						t.Errorf("%s under %s: %s: %s", row.Probe, setting, c.Verdict, c.Why)
					}
				}
			}
		})
	}
}

// TestSplatForReal has the kernel warn when /proc/kcore is opened. The run is not as
// expected, although every verdict is, and the report names the warning.
func TestSplatForReal(t *testing.T) {
	sel := plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@runtime"}, Probes: []string{"kcore/open"}}
	forReal(t, sel) // the kernel below the series is built
	sel.Series = []string{filepath.Join("testdata", "mutants", "splat.patch")}
	m := boot(t, mustPlan(t, sel))
	for _, c := range m.Tables[0].Rows[0].Cells {
		if !c.Verdict.Expected() {
			t.Errorf("%s: %s", c.Verdict, c.Why)
		}
	}
	if list := m.Splats(); m.AsExpected() || len(list) != 1 || !strings.Contains(list[0], "open_kcore+") {
		t.Errorf("as expected: %v; reports: %q", m.AsExpected(), list)
	}
}

// shell runs one command in a guest.
func shell(t *testing.T, p *plan.Plan, command string) (status int, stdout string) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out, errs bytes.Buffer
	status, err = Shell(t.Context(), p, Options{}, Terminal{In: null, Out: &out, Err: &errs}, command)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, errs.String())
	}
	t.Logf("%s: exit %d\n%s%s", command, status, out.String(), errs.String())
	return status, out.String()
}

// lockedLine is a line of the list of what is locked, not one of the log.
var lockedLine = regexp.MustCompile(`(?m)^[a-z_]+ locked$`)

// TestKUnitForReal runs the KUnit suites of the kernel kunit at boot and again, on
// both architectures, and checks that they restored the lock state. That kernel has
// two processors and the checks of locks, and must report nothing but the warnings
// that the suite announces. It shares no object with another one and costs as much as
// all others of the architecture together, so only make nightly builds it and sets
// LDLAB_KUNIT.
func TestKUnitForReal(t *testing.T) {
	if os.Getenv("LDLAB_KUNIT") == "" {
		t.Skip("LDLAB_KUNIT is not set; make nightly sets it")
	}
	for _, a := range []string{"x86_64", "arm64"} {
		t.Run(a, func(t *testing.T) {
			p := forReal(t, plan.Selection{Kernels: []string{"kunit"}, Arches: []string{a}, Settings: []string{"dev_mem@boot"}})
			_, out := shell(t, p, `
		cd /sys/kernel/debug/kunit
		for s in lockdown*; do
			cat $s/results
			if [ -e $s/run ]; then # a suite of __init code ran at boot only
				echo 1 >$s/run
				cat $s/results
			fi
		done
		cat /sys/kernel/security/lockdown
		cat /sys/kernel/security/lockdown_reasons
		dmesg`)
			for suite, want := range map[string]int{"lockdown": 2, "lockdown_param": 1} {
				if n := strings.Count(out, "\nok 1 "+suite+"\n"); n != want || strings.Contains(out, "not ok") {
					t.Errorf("the suite %s passed %d times, want %d, and none failed", suite, n, want)
				}
			}
			if locked := lockedLine.FindAllString(out, -1); !strings.Contains(out, "[none] integrity") || !slices.Equal(locked, []string{"dev_mem locked"}) {
				t.Errorf("the suite changed what is locked: %q", locked)
			}
			var bugs []string
			for _, line := range strings.Split(out, "\n") {
				_, text, _ := strings.Cut(line, "] ")
				if (strings.HasPrefix(text, "WARNING: ") || strings.HasPrefix(text, "BUG: ")) && !strings.Contains(text, " lockdown_is_locked_down+") {
					bugs = append(bugs, text)
				}
			}
			if n := strings.Count(out, " lockdown_is_locked_down+"); len(bugs) > 0 || n < 4 {
				t.Errorf("the kernel reported %q, and mentions the hook %d times, in four warnings at least", bugs, n)
			}
			// Nothing is reported while the probes of lockdown's files run, either.
			m := boot(t, forReal(t, plan.Selection{Kernels: []string{"kunit"}, Arches: []string{a}, Settings: []string{"dev_mem@boot", "integrity@runtime"}, Scenarios: []string{"securityfs"}}))
			if !m.AsExpected() {
				dump(t, m)
				t.Errorf("not as expected; reports: %q", m.Splats())
			}
		})
	}
}

func TestShellForReal(t *testing.T) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			p := forReal(t, plan.Selection{Arches: []string{a.Name}, Settings: []string{"integrity@runtime"}})
			if status, out := shell(t, p, "uname -m; cat /sys/kernel/security/lockdown; exit 42"); status != 42 ||
				!strings.Contains(out, "[integrity]") || !strings.HasPrefix(out, map[string]string{"x86_64": "x86_64", "arm64": "aarch64"}[a.Name]) {
				t.Errorf("exit %d, want 42, and the level of the setting", status)
			}
		})
	}
}

// TestInterruptLeavesNothing interrupts a run while guests boot.
func TestInterruptLeavesNothing(t *testing.T) {
	p := forReal(t, plan.Selection{Arches: []string{"x86_64"}})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, p, Options{Out: t.TempDir(), Event: func(e Event) {
		if e.Guest != nil {
			cancel()
		}
	}})
	if err != ErrInterrupted {
		t.Errorf("run: %v, want interrupted", err)
	}
	children, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var left []byte
	for _, c := range children {
		b, _ := os.ReadFile(c)
		left = append(left, b...)
	}
	if len(bytes.TrimSpace(left)) > 0 {
		t.Errorf("children left: %s", left)
	}
}

// shape returns a call without its numbers: a fork has more memory than a
// booted guest, and some calls show sizes or memory contents.
func shape(call string) string {
	return regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`).ReplaceAllString(call, "#")
}

// TestForkEqualsBoot runs settings both ways: a fork must give the same
// verdict, call and errno as a boot, for every probe. The default settings lock
// everything, nothing, and some reasons; LDLAB_EVERY_SETTING=1, as in make
// nightly, takes all.
func TestForkEqualsBoot(t *testing.T) {
	settings := []string{"none", "confidentiality@runtime", "dev_mem,tracefs@runtime"}
	if os.Getenv("LDLAB_EVERY_SETTING") != "" {
		settings = nil
		for _, g := range mustPlan(t, plan.Selection{}).Guests {
			if len(g.Setting.KernelArgs()) == 0 && !slices.Contains(settings, g.Setting.String()) {
				settings = append(settings, g.Setting.String())
			}
		}
	}
	forksEqualBoots(t, forReal(t, plan.Selection{Settings: settings}))
}

// forksEqualBoots runs a plan both ways and compares the cells.
func forksEqualBoots(t *testing.T, p *plan.Plan) {
	t.Helper()
	booted, forked := bootWith(t, p, Options{Boot: true}), bootWith(t, p, Options{})
	for i, table := range booted.Tables {
		for j, col := range table.Columns {
			if col.Forked || !forked.Tables[i].Columns[j].Forked {
				t.Errorf("%s %s: forked %v in the run that boots, %v in the run that forks", table.Arch, col.Setting, col.Forked, forked.Tables[i].Columns[j].Forked)
			}
			for k, row := range table.Rows {
				b, f := row.Cells[j], forked.Tables[i].Rows[k].Cells[j]
				if b.Verdict != f.Verdict || (b.Observed != nil && f.Observed != nil && shape(b.Observed.Call) != shape(f.Observed.Call)) {
					t.Errorf("%s %s %s: %+v booted, %+v forked", table.Arch, col.Setting, row.Probe, b.Judgment, f.Judgment)
				}
			}
		}
	}
}
