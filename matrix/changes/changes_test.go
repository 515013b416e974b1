package changes

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

func reasonsOf(text string) (k lockdown.KernelReasons) {
	for _, word := range strings.Fields(text) {
		name, label, _ := strings.Cut(word, "=")
		r := lockdown.ReasonInfo{Reason: lockdown.Reason(strings.ToLower(name)), Level: lockdown.Integrity, Label: label}
		if strings.ToUpper(name) == name {
			r.Level = lockdown.Confidentiality
		}
		k = append(k, r)
	}
	return k
}

func TestShifts(t *testing.T) {
	const base = "a=A b=B c=C D=d"
	for _, c := range []struct {
		now   string
		want  string
		grave bool
	}{
		{base, "", false},
		{base + " E=e", "e is new, of level confidentiality", false},
		{"a=A x=X b=B c=C D=d", "x is new, of level integrity; it shifts the values of 3 reasons, from b to d, and of both markers of levels: BPF LSM programs compare values, and a bitmap of reasons has other bits", false},
		{"a=A b=B c=C X=x D=d", "x is new, of level confidentiality; it shifts the value of d: BPF LSM programs compare values, and a bitmap of reasons has other bits", false},
		{base + " E", "e is new, of level confidentiality; it has no text in lockdown_reasons[], so that the log prints (null) for it", true},
		{"a=A b=B c=C", "d is gone", true},
		{"a=A b=B C=C D=d", "c belongs to confidentiality now, and belonged to integrity", true},
		{"a=A b=B c=C d=d", "d belongs to integrity now, and belonged to confidentiality", false},
		{"a=A b=B c=Z D=d", `the text of c is "Z" now, and was "C": programs that read the log look for the text`, false},
	} {
		var got []string
		grave := false
		for _, s := range shifts(reasonsOf(base), reasonsOf(c.now)) {
			got = append(got, s.Text)
			grave = grave || s.Grave
		}
		if text := strings.Join(got, "\n"); text != c.want || grave != c.grave {
			t.Errorf("%s: %q, grave %v", c.now, text, grave)
		}
	}
	if shifts(nil, reasonsOf(base)) != nil {
		t.Error("the reasons of the base are not known, and changes are named")
	}
}

// reviewSide is a matrix of one kernel, one setting and one probe.
func reviewSide(kernel string, v matrix.Verdict, o *scenarios.Observation, splats ...string) *matrix.Matrix {
	s, _ := lockdown.ParseSetting("integrity@boot")
	return &matrix.Matrix{
		Header: matrix.Header{Kernels: []matrix.Kernel{{Name: kernel, Arch: "x86_64"}}},
		Tables: []matrix.Table{{Kernel: kernel, Arch: "x86_64", Columns: []matrix.Column{{Setting: s, Splats: splats}},
			Rows: []matrix.TableRow{{Probe: "msr/write", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: v}, Observed: o}}}}}},
	}
}

func sawChecks(checks int, ops ...lockdown.Op) *scenarios.Observation {
	o := &scenarios.Observation{Probe: "msr/write", Comm: "ldp-1", Runs: 1, Checks: []scenarios.Check{{Label: "raw MSR access", Comm: "ldp-1", Checks: checks}, {Label: "raw MSR access", Comm: "other", Checks: 7}}}
	o.Ops = ops
	return o
}

func TestCompareSeries(t *testing.T) {
	read := func(data string) lockdown.Op { return lockdown.Op{Call: "read", File: "lockdown", Data: data} }
	for _, c := range []struct {
		name        string
		before, now *matrix.Matrix
		want        []string // texts of the remarks, * before a grave one
	}{
		{"the same", reviewSide("base", matrix.Enforced, sawChecks(3)), reviewSide("series", matrix.Enforced, sawChecks(3)), nil},
		{"a leak", reviewSide("base", matrix.Enforced, sawChecks(3)), reviewSide("series", matrix.Leak, sawChecks(3)), []string{"*msr/write: LEAK, before enforced"}},
		{"a gap is closed", reviewSide("base", matrix.OpenGap, sawChecks(3)), reviewSide("series", matrix.GapClosed, sawChecks(3)), []string{"msr/write: gap closed, before gap"}},
		{"it is not checked any more", reviewSide("base", matrix.Open, sawChecks(3)), reviewSide("series", matrix.Open, sawChecks(0)), []string{`*msr/write: the kernel checks msr 0 times, before 3 times`}},
		{"it is checked less often", reviewSide("base", matrix.Open, sawChecks(3)), reviewSide("series", matrix.Open, sawChecks(2)), []string{`msr/write: the kernel checks msr 2 times, before 3 times`}},
		{"it is checked more often", reviewSide("base", matrix.Open, sawChecks(3)), reviewSide("series", matrix.Open, sawChecks(4)), nil},
		{"another answer", reviewSide("base", matrix.Conforms, sawChecks(0, read("[none]"), read("x"))), reviewSide("series", matrix.Conforms, sawChecks(0, read("none"), read("x"))), []string{"*msr/write: lockdown's files answer otherwise; that is an ABI"}},
		{"a new warning of the kernel", reviewSide("base", matrix.Enforced, sawChecks(1), "WARNING: old"), reviewSide("series", matrix.Enforced, sawChecks(1), "WARNING: old", "WARNING: new"), []string{"*the kernel reports a bug of its own"}},
	} {
		arches, err := CompareSeries(c.before, c.now, "base", "series")
		if err != nil || len(arches) != 1 {
			t.Fatalf("%s: %v", c.name, err)
		}
		r := &Review{Arches: arches}
		var got []string
		for _, m := range r.Remarks() {
			text := m.Text
			if m.Grave {
				text = "*" + text
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A remark is told once, with both architectures, and with the hunk that it is about.
func TestRemarks(t *testing.T) {
	change := diff.Change{Kind: diff.NewlyLeaking, Probe: "msr/write", Before: matrix.Enforced, Now: matrix.Leak, Settings: []string{"integrity@boot"}}
	r := &Review{
		Patches: []Patch{
			{Name: "1", Subject: "one", Hunks: []Hunk{{File: "a.c", Head: "int f(void)", Lines: []string{"+x"}}}},
			{Name: "2", Subject: "two", Checkpatch: []string{"ERROR"}, Hunks: []Hunk{{File: "arch/x86/kernel/msr.c", Head: "static ssize_t msr_read()", Lines: []string{"-y"}}, {File: "arch/x86/kernel/msr.c", Head: "static ssize_t msr_write(struct file *file)", Lines: []string{"-\terr = security_locked_down(LOCKDOWN_MSR);"}}}},
		},
		Arches: []Arch{
			{Arch: "x86_64", Diff: diff.Diff{Changes: []diff.Change{change}}, Each: []EachChange{{"msr/write", "integrity@boot", "2", matrix.Leak}}},
			{Arch: "arm64", Diff: diff.Diff{Changes: []diff.Change{change}}},
		},
	}
	list := r.Remarks()
	if len(list) != 2 || !list[0].Grave || list[1].Grave {
		t.Fatalf("%+v", list)
	}
	m := list[0]
	if m.Patch != 1 || m.Hunk != 1 || !slices.Equal(m.Arches, []string{"x86_64", "arm64"}) || !slices.Contains(m.Detail, "since 2") {
		t.Errorf("%+v", m)
	}
	if !r.Grave() || (&Review{}).Grave() {
		t.Error("Grave is wrong")
	}
}

func TestCompareCallers(t *testing.T) {
	caller := func(site, name string) lockdown.Caller { return lockdown.Caller{Site: site, Name: name} }
	b := []lockdown.Caller{caller("a.c:f", "sys_x"), caller("a.c:f", "sys_y"), caller("a.c:g", "sys_z")}
	n := []lockdown.Caller{caller("b.c:f", "sys_x"), caller("a.c:g", "sys_z"), caller("a.c:g", "sys_new")}
	got := CompareCallers(b, n, []diff.CallChange{{Call: "b.c:f", From: "a.c:f", Before: 1, Now: 1}})
	want := []CallerChange{{"a.c:f", "sys_y", false}, {"a.c:g", "sys_new", true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// An act that is checked once less in one of two settings is no change; in both it is.
func TestUncheckedInAllSettings(t *testing.T) {
	two := func(kernel string, first, second int) *matrix.Matrix {
		m := reviewSide(kernel, matrix.Open, sawChecks(first))
		s, _ := lockdown.ParseSetting("integrity@runtime")
		t := &m.Tables[0]
		t.Columns = append(t.Columns, matrix.Column{Setting: s})
		t.Rows[0].Cells = append(t.Rows[0].Cells, matrix.Cell{Judgment: matrix.Judgment{Verdict: matrix.Open}, Observed: sawChecks(second)})
		return m
	}
	for _, c := range []struct{ first, second, want int }{{2, 3, 0}, {3, 2, 0}, {2, 2, 1}, {0, 3, 1}, {3, 0, 1}, {3, 3, 0}} {
		arches, err := CompareSeries(two("base", 3, 3), two("series", c.first, c.second), "base", "series")
		if err != nil || len(arches) != 1 || len(arches[0].Unchecked) != c.want {
			t.Errorf("%d and %d checks: %+v, %v", c.first, c.second, arches, err)
		}
	}
}

// The results of suites are remarks: what failed, and suites that leave lockdown on.
func TestKUnit(t *testing.T) {
	passed := []ktap.Test{{Name: "s", Status: ktap.Passed, Tests: []ktap.Test{{Name: "a", Status: ktap.Passed}, {Name: "b", Status: ktap.Skipped}}}}
	failed := []ktap.Test{{Name: "s", Status: ktap.Failed, Tests: []ktap.Test{{Name: "a", Status: ktap.Failed, Why: "why"}}}}
	for _, c := range []struct {
		run   KUnitRun
		want  string
		grave bool
	}{
		{KUnitRun{When: "at boot", Tests: passed}, "KUnit, at boot: all 1 cases passed, 1 were skipped", false},
		{KUnitRun{When: "at boot", Tests: failed}, "KUnit, at boot: 0 of 1 cases passed", true},
		{KUnitRun{When: "at boot"}, "KUnit, at boot: there are no results", true},
		{KUnitRun{When: "again", Tests: passed, Refused: true}, "KUnit, again: the suites cannot be started", true},
		{KUnitRun{When: "locked", Tests: failed, Locked: true}, "KUnit, locked: 0 of 1 cases passed", false},
		{KUnitRun{When: "at boot", Lost: "panic"}, "KUnit, at boot: a guest did not survive the suites", true},
	} {
		r := &Review{KUnit: []KUnitRun{c.run}, Patches: []Patch{{Name: "1", Files: []string{"a.c"}}, {Name: "2", Files: []string{"a_test.c"}}}}
		list := r.Remarks()
		if len(list) != 1 || !strings.HasPrefix(list[0].Text, c.want) || list[0].Grave != c.grave || list[0].Patch != 1 {
			t.Errorf("%s: %+v", c.want, list)
		}
	}
}

// A remark is the same in two versions if it is about the same patch, by its title, and
// as grave; a leak in another setting, or an answer that differs, is another.
func TestCompareVersions(t *testing.T) {
	leak := func(settings ...string) Arch {
		return Arch{Arch: "x86_64", Diff: diff.Diff{Changes: []diff.Change{{Kind: diff.NewlyLeaking, Probe: "msr/write", Before: matrix.Enforced, Now: matrix.Leak, Settings: settings}}}}
	}
	answer := func(now string) Arch {
		return Arch{Arch: "x86_64", Answers: []AnswerChange{{Probe: "securityfs/show", Op: "read x", Before: "a", Now: now, Settings: []string{"none"}}}}
	}
	suite := func(s ktap.Status) *Review {
		return &Review{KUnit: []KUnitRun{{When: "at boot", Tests: []ktap.Test{{Name: "s", Status: s}}}}}
	}
	patch := func(tag string) *Review {
		return &Review{Patches: []Patch{{Subject: "[" + tag + "] x", Title: "x", Build: []string{"x86_64: error"}}}}
	}
	for _, c := range []struct {
		name                      string
		old, new                  *Review
		repaired, remaining, came int
	}{
		{"the same patch", patch("PATCH 1/2"), patch("PATCH v2 1/2"), 0, 1, 0},
		{"the same leak", &Review{Arches: []Arch{leak("a")}}, &Review{Arches: []Arch{leak("a")}}, 0, 1, 0},
		{"a leak elsewhere", &Review{Arches: []Arch{leak("a")}}, &Review{Arches: []Arch{leak("a", "b")}}, 1, 0, 1},
		{"another answer", &Review{Arches: []Arch{answer("b")}}, &Review{Arches: []Arch{answer("c")}}, 1, 0, 1},
		{"a suite that fails now", suite(ktap.Passed), suite(ktap.Failed), 1, 0, 1},
	} {
		v := CompareVersions(c.old, c.new)
		if len(v.Repaired) != c.repaired || len(v.Remaining) != c.remaining || len(v.Came) != c.came {
			t.Errorf("%s: %d repaired, %d remaining, %d new", c.name, len(v.Repaired), len(v.Remaining), len(v.Came))
		}
	}
}

// Leaks in different settings of two architectures are two remarks.
func TestRemarksOfArches(t *testing.T) {
	arch := func(name, setting string) Arch {
		return Arch{Arch: name, Diff: diff.Diff{Changes: []diff.Change{{Kind: diff.NewlyLeaking, Probe: "msr/write", Now: matrix.Leak, Settings: []string{setting}}}}}
	}
	if list := (&Review{Arches: []Arch{arch("x86_64", "a"), arch("arm64", "b")}}).Remarks(); len(list) != 2 {
		t.Errorf("%+v", list)
	}
}

// A check moved into a helper if its callers lead there; otherwise it is gone.
func TestIntoHelpers(t *testing.T) {
	call := func(name string, before, now int) diff.CallChange {
		return diff.CallChange{Call: name, Reason: "msr", Before: before, Now: now}
	}
	before := []lockdown.Caller{{Site: "a.c:f", Name: "sys_f"}, {Site: "a.c:g", Name: "sys_g"}}
	calls := []diff.CallChange{call("a.c:f", 1, 0), call("a.c:g", 1, 0), call("a.c:help", 0, 1)}
	for _, c := range []struct {
		name string
		now  []lockdown.Caller
		want string
	}{
		{"both", []lockdown.Caller{{Site: "a.c:help", Name: "sys_f"}, {Site: "a.c:help", Name: "sys_g"}}, "a.c:f > a.c:help, a.c:g > a.c:help"},
		{"one", []lockdown.Caller{{Site: "a.c:help", Name: "sys_f"}}, "a.c:f > a.c:help, a.c:g gone"},
		{"none", []lockdown.Caller{{Site: "a.c:help", Name: "sys_other"}}, "a.c:f gone, a.c:g gone, a.c:help"},
	} {
		var got []string
		for _, x := range IntoHelpers(calls, before, c.now) {
			switch {
			case x.From != "":
				got = append(got, x.From+" > "+x.Call)
			case x.Gone():
				got = append(got, x.Call+" gone")
			default:
				got = append(got, x.Call)
			}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// A reason whose text changes is still the reason that is checked.
func TestCheckedByAnotherText(t *testing.T) {
	before, now := reviewSide("base", matrix.Open, sawChecks(3)), reviewSide("series", matrix.Open, sawChecks(3))
	now.Tables[0].Rows[0].Cells[0].Observed.Checks[0].Label = "MSRs"
	now.Header.Kernels[0].Reasons = lockdown.KernelReasons{{Reason: "msr", Level: lockdown.Integrity, Label: "MSRs"}}
	arches, err := CompareSeries(before, now, "base", "series")
	if err != nil || len(arches[0].Unchecked) != 0 {
		t.Errorf("%+v, %v", arches, err)
	}
}

// A prototype that changed is told with both texts, and one that is gone as that.
func TestPrototype(t *testing.T) {
	for _, c := range []struct {
		now, want string
		detail    int
	}{
		{"int security_locked_down(int)", "the prototype of security_locked_down() changes", 2},
		{"", "security_locked_down() is not declared any more", 1},
	} {
		r := Review{Prototype: &TextChange{Before: "int security_locked_down(enum lockdown_reason)", Now: c.now}}
		list := r.Remarks()
		if len(list) != 1 || !list[0].Grave || !strings.HasPrefix(list[0].Text, c.want) || len(list[0].Detail) != c.detail {
			t.Errorf("now %q: %+v", c.now, list)
		}
	}
}
