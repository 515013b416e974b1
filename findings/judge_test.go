package findings

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// ran is the matrix of a run of one probe under integrity, with a verdict, and of a
// finding's acts, with their answers.
func ran(v matrix.Verdict, acts ...scenarios.Step) *matrix.Matrix {
	set, _ := lockdown.ParseSetting("integrity@boot")
	t := matrix.Table{Kernel: "stock", Arch: "x86_64", Columns: []matrix.Column{{}, {Setting: set}},
		Jobs: []matrix.Column{{Setting: set, Job: "x/integrity@boot", Observed: &scenarios.Observation{Report: scenarios.Report{Steps: acts}}}}}
	cell := matrix.Cell{Judgment: matrix.Judgment{Verdict: v, Why: "because"}}
	t.Rows = []matrix.TableRow{{Probe: "msr/read", Cells: []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Open}}, cell}}}
	return &matrix.Matrix{Tables: []matrix.Table{t}}
}

var run = Run{Kernel: "stock", Arch: "x86_64"}

func finding(steps ...Step) Finding {
	return Finding{ID: "x", Kernel: "stock", Arches: []string{"x86_64"}, Setting: "integrity@boot", Expect: Reproduced, Steps: steps}
}

func TestJudgeProbe(t *testing.T) {
	open := Step{Probe: "msr/read", Verdict: []matrix.Verdict{matrix.Open, matrix.OpenGap}}
	for _, tc := range []struct {
		verdict matrix.Verdict
		step    Step
		want    Status
	}{
		{matrix.Open, open, Reproduced},
		{matrix.OpenGap, open, Reproduced},
		{matrix.Enforced, open, Refuted},
		{matrix.Unavailable, open, NotApplicable},
		{matrix.NotPlanned, open, Undecided},
		{matrix.Unproven, open, Undecided},
		{matrix.Lost, open, Undecided},
		{matrix.Open, Step{Probe: "msr/write", Verdict: open.Verdict}, Undecided},
		{matrix.Open, Step{Probe: "msr/read", Verdict: open.Verdict, Setting: "kcore@runtime"}, Undecided},
		{matrix.Leak, Step{Probe: "msr/read", Verdict: open.Verdict, Setting: "none"}, Reproduced},
	} {
		got := run.Judge(finding(tc.step), ran(tc.verdict), nil)
		if got.Status != tc.want || got.Why == "" {
			t.Errorf("%s, %+v: %s (%s), want %s", tc.verdict, tc.step, got.Status, got.Why, tc.want)
		}
	}
}

// TestJudgeAct has one act, what is claimed of it, and an answer.
func TestJudgeAct(t *testing.T) {
	text, n := "a b\n", 2
	empty, long := "", strings.Repeat("a", 4096)
	read := scenarios.Step{Call: "read", File: "/x"}
	line := "Lockdown: ldp-0001: raw io port access is restricted; see man kernel_lockdown.7"
	for _, tc := range []struct {
		name   string
		claim  Step
		answer scenarios.Step
		want   Status
	}{
		{"errno", Step{Answer: "EPERM"}, scenarios.Step{Err: "EPERM"}, Reproduced},
		{"another errno", Step{Answer: "EPERM"}, scenarios.Step{Err: "EACCES"}, Refuted},
		{"success", Step{Answer: "EPERM"}, scenarios.Step{}, Refuted},
		{"ok", Step{Answer: Ok}, scenarios.Step{}, Reproduced},
		{"not ok", Step{Answer: Ok}, scenarios.Step{Err: "EPERM"}, Refuted},
		{"not there", Step{Answer: Ok}, scenarios.Step{Err: "ENOENT"}, Undecided},
		{"not there, which refutes", Step{Answer: Ok, RefutedBy: "ENOENT"}, scenarios.Step{Err: "ENOENT"}, Refuted},
		{"not there, as claimed", Step{Answer: "ENOENT"}, scenarios.Step{Err: "ENOENT"}, Reproduced},
		{"not there, claimed otherwise", Step{Answer: "ENOENT"}, scenarios.Step{}, Refuted},
		{"not there, and names nobody", Step{Names: Nobody}, scenarios.Step{Err: "ENOENT"}, Undecided},
		{"not there, and logs nothing", Step{LogsNot: []string{"a"}}, scenarios.Step{Err: "ENOENT"}, Undecided},
		{"logs not, as far as it was read", Step{Logs: []string{"a"}}, scenarios.Step{LogLost: true}, Undecided},
		{"logs, and more may be lost", Step{Logs: []string{"a"}}, scenarios.Step{Logged: []string{"a"}, LogLost: true}, Reproduced},
		{"does not log, as far as it was read", Step{LogsNot: []string{"a"}}, scenarios.Step{LogLost: true}, Undecided},
		{"logs all the same, and more may be lost", Step{LogsNot: []string{"a"}}, scenarios.Step{Logged: []string{"a"}, LogLost: true}, Refuted},
		{"names nobody, as far as it was read", Step{Names: Nobody}, scenarios.Step{LogLost: true}, Undecided},
		{"somebody, and more may be lost", Step{Names: Nobody}, scenarios.Step{Log: line, LogLost: true}, Refuted},
		{"no name, because the line may be lost", Step{Answer: "EPERM", Names: "ioport"}, scenarios.Step{Err: "EPERM", LogLost: true}, Undecided},
		{"another answer, and lines may be lost", Step{Answer: "EPERM", Names: "ioport"}, scenarios.Step{LogLost: true}, Refuted},
		{"a name, and more may be lost", Step{Names: "ioport"}, scenarios.Step{Err: "EPERM", Log: line, LogLost: true}, Reproduced},
		{"at most, as far as it was read", Step{Most: &n}, scenarios.Step{Lines: 2, LogLost: true}, Undecided},
		{"more, and more may be lost", Step{Most: &n}, scenarios.Step{Lines: 3, LogLost: true}, Refuted},
		{"a preparation whose lines may be lost", Step{}, scenarios.Step{Err: "EPERM", LogLost: true}, Undecided},
		{"nothing claimed", Step{}, scenarios.Step{}, Undecided}, // cannot be loaded
		{"preparation failed", Step{}, scenarios.Step{Err: "EPERM"}, Undecided},
		{"content", Step{Is: &text}, scenarios.Step{Read: text}, Reproduced},
		{"other content", Step{Is: &text}, scenarios.Step{Read: "a b"}, Refuted},
		{"has", Step{Has: []string{"a", "b"}}, scenarios.Step{Read: text}, Reproduced},
		{"has not", Step{Has: []string{"a", "c"}}, scenarios.Step{Read: text}, Refuted},
		{"lacks", Step{Lacks: []string{"c"}}, scenarios.Step{Read: text}, Reproduced},
		{"lacks not", Step{Lacks: []string{"b"}}, scenarios.Step{Read: text}, Refuted},
		{"lacks not, in bytes that are no text", Step{Lacks: []string{"b"}}, scenarios.Step{ReadHex: "ff62"}, Refuted},
		{"not empty, in bytes that are no text", Step{Is: &empty}, scenarios.Step{ReadHex: "ff62"}, Refuted},
		{"has, in bytes that are no text", Step{Has: []string{"b"}}, scenarios.Step{ReadHex: "ff62"}, Reproduced},
		{"lacks, as far as it was read", Step{Lacks: []string{"b"}}, scenarios.Step{Read: long}, Undecided},
		{"has not, as far as it was read", Step{Has: []string{"b"}}, scenarios.Step{Read: long}, Undecided},
		{"lacks, and was not read", Step{Lacks: []string{"b"}}, scenarios.Step{Err: "EPERM"}, Refuted},
		{"lines", Step{Lines: &n}, scenarios.Step{Lines: 2}, Reproduced},
		{"other lines", Step{Lines: &n}, scenarios.Step{Lines: 3}, Refuted},
		{"at most", Step{Most: &n}, scenarios.Step{Lines: 2}, Reproduced},
		{"more", Step{Most: &n}, scenarios.Step{Lines: 3}, Refuted},
		{"logs", Step{Logs: []string{"locked down"}}, scenarios.Step{Logged: []string{"a", "is locked down b"}}, Reproduced},
		{"logs not", Step{Logs: []string{"locked down"}}, scenarios.Step{Logged: []string{"a"}}, Refuted},
		{"does not log", Step{LogsNot: []string{"locked down"}}, scenarios.Step{Logged: []string{"a"}}, Reproduced},
		{"logs all the same", Step{LogsNot: []string{"a"}}, scenarios.Step{Logged: []string{"a"}}, Refuted},
		{"named in the log", Step{Names: "ioport"}, scenarios.Step{Err: "EPERM", Log: line}, Reproduced},
		{"counted", Step{Names: "ioport"}, scenarios.Step{Denials: []scenarios.Count{{Label: "raw io port access"}}}, Reproduced},
		{"another one named", Step{Names: "msr"}, scenarios.Step{Err: "EPERM", Log: line}, Refuted},
		{"nobody named", Step{Names: "ioport"}, scenarios.Step{Err: "EPERM"}, Refuted},
		{"nobody, as claimed", Step{Names: Nobody}, scenarios.Step{Err: "EPERM"}, Reproduced},
		{"somebody, and claimed nobody", Step{Names: Nobody}, scenarios.Step{Err: "EPERM", Log: line}, Refuted},
	} {
		tc.claim.Act = read
		tc.answer.Call, tc.answer.File, tc.answer.Done = read.Call, read.File, true
		got := run.Judge(finding(tc.claim), ran(matrix.Open, tc.answer), nil)
		if tc.name == "nothing claimed" {
			continue
		}
		if got.Status != tc.want || !strings.HasPrefix(got.Why, `integrity@boot: read("/x") = `) {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Status, got.Why, tc.want)
		}
	}
}

// TestJudgeWithoutResult: what was not run decides nothing.
func TestJudgeWithoutResult(t *testing.T) {
	f := finding(Step{Act: scenarios.Step{Call: "open", File: "/x"}, Answer: Ok}, Step{Act: scenarios.Step{Call: "open", File: "/y"}, Answer: Ok})
	if got := run.Judge(f, nil, errors.New("build kernel: no space")); got.Status != Undecided || !strings.Contains(got.Why, "no space") {
		t.Errorf("no matrix: %+v", got)
	}
	if got := run.Judge(f, ran(matrix.Open, scenarios.Step{Call: "open", File: "/x", Done: true}), nil); got.Status != Undecided || !strings.Contains(got.Why, "/y") {
		t.Errorf("one act of two: %+v", got)
	}
	m := ran(matrix.Open)
	m.Tables[0].Jobs[0].End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "oops"}
	if got := run.Judge(f, m, nil); got.Status != Undecided || !strings.Contains(got.Why, "panic: oops") {
		t.Errorf("lost: %+v", got)
	}
	m = ran(matrix.Open, scenarios.Step{Call: "open", File: "/x", Done: true}, scenarios.Step{Call: "open", File: "/y", Done: true})
	m.Tables[0].Jobs[0].NotLocked = "nothing is marked"
	if got := run.Judge(f, m, nil); got.Status != Undecided || !strings.Contains(got.Why, "not in force: nothing is marked") {
		t.Errorf("not locked: %+v", got)
	}
}

// TestJudgeOtherSteps: results of other steps decide nothing.
func TestJudgeOtherSteps(t *testing.T) {
	f := finding(Step{Act: scenarios.Step{Call: "open", File: "/x"}, Answer: Ok})
	for _, other := range []scenarios.Step{{Call: "open", File: "/y", Done: true}, {Call: "open", File: "/x", Times: 2, Done: true}, {Call: "open", File: "/x", As: "a", Done: true}} {
		if got := run.Judge(f, ran(matrix.Open, other), nil); got.Status != Undecided || !strings.Contains(got.Why, "the results have") {
			t.Errorf("%s: %+v", other, got)
		}
	}
	long := finding(Step{Act: scenarios.Step{Call: "write", File: "/x", Data: strings.Repeat("a", 100) + "b"}, Answer: Ok})
	if got := run.Judge(long, ran(matrix.Open, scenarios.Step{Call: "write", File: "/x", Data: strings.Repeat("a", 100) + "c", Done: true}), nil); got.Status != Undecided {
		t.Errorf("other data that is printed alike: %+v", got)
	}
	if got := run.Judge(f, ran(matrix.Open, scenarios.Step{Call: "open", File: "/x", Done: true}), nil); got.Status != Reproduced {
		t.Errorf("the same step: %+v", got)
	}
}

// TestJudgeAfterFailedPreparation: what follows a preparation that failed is undecided,
// but not what is done in another setting.
func TestJudgeAfterFailedPreparation(t *testing.T) {
	prepare := Step{Act: scenarios.Step{Call: "write", File: "/lock", Data: "x"}}
	claim := Step{Act: scenarios.Step{Call: "open", File: "/x"}, Answer: "EPERM"}
	done := func(s Step, err string) scenarios.Step {
		got := s.Act
		got.Done, got.Err = true, err
		return got
	}
	elsewhere := Step{Probe: "msr/read", Verdict: []matrix.Verdict{matrix.Open}}
	for _, tc := range []struct {
		name    string
		steps   []Step
		answers []scenarios.Step
		want    Status
	}{
		{"it succeeded", []Step{prepare, claim}, []scenarios.Step{done(prepare, ""), done(claim, "")}, Refuted},
		{"it failed", []Step{prepare, claim}, []scenarios.Step{done(prepare, "EPERM"), done(claim, "")}, Undecided},
		{"it failed, and the claim holds", []Step{prepare, claim}, []scenarios.Step{done(prepare, "EPERM"), done(claim, "EPERM")}, Undecided},
		{"it failed later", []Step{claim, prepare}, []scenarios.Step{done(claim, ""), done(prepare, "EPERM")}, Refuted},
		{"a probe has its own guest", []Step{prepare, claim, elsewhere}, []scenarios.Step{done(prepare, "EPERM"), done(claim, "")}, Refuted},
	} {
		m := ran(matrix.Enforced, tc.answers...)
		if got := run.Judge(finding(tc.steps...), m, nil); got.Status != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Status, got.Why, tc.want)
		}
	}
}

// TestSum: one step that shows something else refutes, whatever those elsewhere show.
func TestSum(t *testing.T) {
	step := func(s Status, setting string) Observed {
		return Observed{Setting: setting, Text: string(s), status: s, decides: true}
	}
	for _, tc := range []struct {
		steps []Observed
		want  Status
		why   string
	}{
		{[]Observed{step(Reproduced, "a"), step(Undecided, "b"), step(Refuted, "a"), step(NotApplicable, "a")}, Refuted, "a: refuted"},
		{[]Observed{step(Reproduced, "a"), step(NotApplicable, "a"), step(Undecided, "a")}, Undecided, "a: undecided"},
		{[]Observed{step(Reproduced, "a"), step(NotApplicable, "a")}, NotApplicable, "a: not applicable"},
		{[]Observed{step(Reproduced, "b"), step(Reproduced, "a"), step(Reproduced, "b")}, Reproduced, "a: reproduced"},
		{[]Observed{step(Reproduced, "b")}, Reproduced, "b: reproduced"},
	} {
		if got, why := sum(tc.steps, "a"); got != tc.want || why != tc.why {
			t.Errorf("%+v: %s, %s", tc.steps, got, why)
		}
	}
}

func TestDecide(t *testing.T) {
	result := func(s Status, arch, patch string) Result {
		return Result{Arch: arch, Patch: patch, Status: s, Why: "w"}
	}
	plain, fix := finding(), finding()
	fix.Patch = "history/x"
	far := finding()
	far.OutOfReach = "far"
	for _, tc := range []struct {
		name    string
		f       Finding
		results []Result
		want    Status
	}{
		{"one", plain, []Result{result(Refuted, "x86_64", "")}, Refuted},
		{"both", plain, []Result{result(Reproduced, "x86_64", ""), result(Reproduced, "arm64", "")}, Reproduced},
		{"one does not apply", plain, []Result{result(NotApplicable, "x86_64", ""), result(Reproduced, "arm64", "")}, Reproduced},
		{"they differ", plain, []Result{result(Refuted, "x86_64", ""), result(Reproduced, "arm64", "")}, Undecided},
		{"one is undecided", plain, []Result{result(Reproduced, "x86_64", ""), result(Undecided, "arm64", "")}, Undecided},
		{"none", plain, nil, NotApplicable},
		{"out of reach", far, nil, NotApplicable},
		{"fixed", fix, []Result{result(Refuted, "x86_64", ""), result(Reproduced, "x86_64", "p")}, Reproduced},
		{"not fixed", fix, []Result{result(Reproduced, "x86_64", ""), result(Reproduced, "x86_64", "p")}, Undecided},
		{"not there with the patch", fix, []Result{result(Refuted, "x86_64", ""), result(Refuted, "x86_64", "p")}, Refuted},
		{"no run of the fix", fix, []Result{result(Reproduced, "x86_64", "p")}, Undecided},
		{"the patch does not build", fix, []Result{result(Refuted, "x86_64", ""), result(Undecided, "x86_64", "p")}, Undecided},
	} {
		if got := Decide(tc.f, tc.results); got.Status != tc.want {
			t.Errorf("%s: %s (%s), want %s", tc.name, got.Status, got.Why, tc.want)
		}
	}
}

// TestRuns: findings about one kernel share a run, and a fix is run with and without.
func TestRuns(t *testing.T) {
	probe := Step{Probe: "msr/read", Verdict: []matrix.Verdict{matrix.Open}}
	act := Step{Act: scenarios.Step{Call: "open", File: "/x"}, Answer: Ok}
	elsewhere := act
	elsewhere.Setting = "none"
	a, b, c, d := finding(probe, act, elsewhere), finding(probe), finding(probe), finding(act)
	a.ID, b.ID, c.ID, d.ID = "a", "b", "c", "d"
	b.Patch, b.Arches = "history/b", []string{"x86_64", "arm64"}
	c.OutOfReach = "far"
	d.Append, d.OnTop = "lockdown=x", "mutants/d.patch"
	var names []string
	runs := Runs([]Finding{a, b, c, d}, nil)
	for _, r := range runs {
		names = append(names, r.Name())
	}
	want := []string{"stock-x86_64", "stock-arm64", "stock-arm64-history-b", "stock-x86_64-history-b", "stock-x86_64-mutants-d.patch-lockdown=x"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	sel := runs[0].Selection()
	if len(sel.Jobs) != 4 || sel.Jobs[1].Name != "a/integrity@boot" || sel.Jobs[2].Setting != "none" || sel.Jobs[3].Probes[0] != "msr/read" {
		t.Errorf("jobs: %+v", sel.Jobs)
	}
	if runs := Runs([]Finding{a, b}, []string{"arm64"}); len(runs) != 2 || len(runs[0].Findings) != 1 {
		t.Errorf("arm64 alone: %+v", runs)
	}
}
