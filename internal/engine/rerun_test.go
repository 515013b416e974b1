package engine

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/known"
	"github.com/ldlab/ldlab/report"
)

// An unsteady kernel lets kexec/load through in the first or in each run of some
// guests.
type unsteady struct {
	mu    sync.Mutex
	runs  map[string]int
	leaks func(setting string, run int) bool
	dies  func(setting string, run int) bool
}

func (u *unsteady) guest(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
	u.mu.Lock()
	setting := g.Setting.String()
	u.runs[setting]++
	run := u.runs[setting]
	u.mu.Unlock()
	res := sound(ctx, g, probes)
	for i := range res.Machines[0].Observations {
		if o := &res.Machines[0].Observations[i]; o.Probe == "kexec/load" && u.leaks(setting, run) {
			o.Outcome, o.Call, o.Log = "allowed", "call = ok", nil
		}
	}
	if u.dies != nil && u.dies(setting, run) {
		res.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic"}
	}
	return res
}

// kexecLoad is the cell of kexec/load under a setting.
func kexecLoad(t *testing.T, m *matrix.Matrix, setting string) matrix.Cell {
	t.Helper()
	for i, c := range m.Tables[0].Columns {
		for _, r := range m.Tables[0].Rows {
			if c.Setting.String() == setting && r.Probe == "kexec/load" {
				return r.Cells[i]
			}
		}
	}
	t.Fatalf("no cell under %s", setting)
	return matrix.Cell{}
}

// TestRerun: only guests with a cell that is not as expected run a second time, once. A
// leak that does not show again is flaky and one that does is a leak, also if the
// results are read again, and a resumed run runs nothing.
func TestRerun(t *testing.T) {
	out := t.TempDir()
	u := &unsteady{runs: map[string]int{}, leaks: func(setting string, run int) bool {
		return setting == "kexec@runtime" && run == 1 || setting == "integrity@boot"
	}}
	r := fake(t, out, u.guest)
	r.options.Rerun = true
	m, err := r.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for setting, n := range u.runs {
		want := 1
		if setting == "kexec@runtime" || setting == "integrity@boot" {
			want = 2
		}
		if n != want {
			t.Errorf("%s ran %d times, want %d", setting, n, want)
		}
	}
	check := func(m *matrix.Matrix) {
		t.Helper()
		if c := kexecLoad(t, m, "kexec@runtime"); c.Verdict != matrix.Flaky || c.Of != matrix.Leak || !strings.HasPrefix(c.Why, "LEAK, then enforced: ") {
			t.Errorf("it leaked once: %+v", c.Judgment)
		}
		if c := kexecLoad(t, m, "integrity@boot"); c.Verdict != matrix.Leak {
			t.Errorf("it leaked twice: %+v", c.Judgment)
		}
		if n := m.Count(); n[matrix.Flaky] != 1 || n[matrix.Leak] != 1 || m.AsExpected() {
			t.Errorf("%v", n)
		}
	}
	check(m)
	set, err := results.Load(out)
	if err != nil || len(set.Again) != 2 {
		t.Fatalf("%v, %d second runs", err, len(set.Again))
	}
	if m, err = set.Matrix(); err != nil {
		t.Fatal(err)
	}
	check(m)
	clear(u.runs)
	r.options.Resume = true
	if m, err = r.measure(t.Context()); err != nil || len(u.runs) != 0 {
		t.Fatalf("resume: %v, %v", err, u.runs)
	}
	check(m)
	// Results of another host are not kept, and neither are second runs of them.
	r.host.QEMU, u.leaks = "QEMU 99", func(string, int) bool { return false }
	if m, err = r.measure(t.Context()); err != nil || !m.AsExpected() {
		t.Fatalf("resume elsewhere: %v, %v", err, m.Count())
	}
}

// TestRerunOfASoundKernel costs nothing.
func TestRerunOfASoundKernel(t *testing.T) {
	u := &unsteady{runs: map[string]int{}, leaks: func(string, int) bool { return false }}
	r := fake(t, t.TempDir(), u.guest)
	r.options.Rerun = true
	if m, err := r.measure(t.Context()); err != nil || !m.AsExpected() {
		t.Fatal(err)
	}
	for setting, n := range u.runs {
		if n != 1 {
			t.Errorf("%s ran %d times", setting, n)
		}
	}
}

// TestRerunThatIsLost leaves the verdicts of the first run, and every format tells of
// it.
func TestRerunThatIsLost(t *testing.T) {
	u := &unsteady{runs: map[string]int{}, leaks: func(setting string, _ int) bool { return setting == "kexec@runtime" }, dies: func(_ string, run int) bool { return run == 2 }}
	out := t.TempDir()
	r := fake(t, out, u.guest)
	r.options.Rerun = true
	m, err := r.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := kexecLoad(t, m, "kexec@runtime"); c.Verdict != matrix.Leak || m.Count()[matrix.Leak] != 1 || u.runs["kexec@runtime"] != 2 {
		t.Errorf("%+v, %v, %d runs", c.Judgment, m.Count(), u.runs["kexec@runtime"])
	}
	for _, f := range report.Formats() {
		var b strings.Builder
		if err := f.Write(&b, report.Measurement{Matrix: m}); err != nil || !strings.Contains(b.String(), "panic: Kernel panic") {
			t.Errorf("%s: %v, nothing of the second run", f.Name, err)
		}
	}
}

// TestKnownIssuesDoNotRunAgain: a guest whose only unexpected cell is a known issue is
// not run a second time, and the run is as expected, but not green.
func TestKnownIssuesDoNotRunAgain(t *testing.T) {
	const text = "known:\n- probe: kexec/load\n  setting: kexec@runtime\n  verdict: LEAK\n  reason: because\n  link: https://example.org/1\n  until: 9999-12-31\n"
	list, err := known.Parse("known.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unsteady{runs: map[string]int{}, leaks: func(setting string, _ int) bool { return setting == "kexec@runtime" }}
	out := t.TempDir()
	r := fake(t, out, u.guest)
	r.options.Rerun, r.options.Known = true, list
	m, err := r.measure(t.Context())
	if err != nil || !m.AsExpected() {
		t.Fatalf("%v, %v", err, m.Count())
	}
	if c := kexecLoad(t, m, "kexec@runtime"); c.Verdict != matrix.Known || u.runs["kexec@runtime"] != 1 {
		t.Errorf("%+v, %d runs", c.Judgment, u.runs["kexec@runtime"])
	}
	set, err := results.Load(filepath.Join(out, results.File))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = set.Matrix(); err != nil || m.Count()[matrix.Leak] != 1 {
		t.Errorf("%v: the results have %v, and not what was measured", err, m.Count())
	}
}

// TestRerunOfAPart: a part of a plan has second runs, too, although its controls are in
// another part. A guest without an unexpected cell of its own has none.
func TestRerunOfAPart(t *testing.T) {
	out := t.TempDir()
	u := &unsteady{runs: map[string]int{}, leaks: func(setting string, run int) bool { return setting == "kexec@runtime" && run == 1 }}
	r := fake(t, out, u.guest)
	r.options.Rerun, r.options.Part = true, true
	r.plan = r.plan.Part(func(g matrix.Guest) bool { return g.Setting.Locked() })
	if _, err := r.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for setting, n := range u.runs {
		want := 1
		if setting == "kexec@runtime" {
			want = 2
		}
		if n != want {
			t.Errorf("%s ran %d times, want %d", setting, n, want)
		}
	}
	if set, err := results.Load(out); err != nil || len(set.Again) != 1 {
		t.Fatalf("%v, %d second runs", err, len(set.Again))
	}
}
