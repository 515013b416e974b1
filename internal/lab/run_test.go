package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

// sound answers like a sound kernel would, without booting one.
func sound(_ context.Context, g matrix.Guest, probes []string) matrix.Result {
	var run matrix.MachineRun
	model := lockdown.NewModel(g.Interface, g.Setting)
	read := func(file string) string {
		s := model.Answer(lockdown.Op{Call: "read", File: file})
		if s.Err != "" {
			return ""
		}
		return s.Data
	}
	boot := scenarios.State{When: "boot"}
	run.States = []scenarios.State{{When: "locked", LSM: "lockdown,capability", Level: read(lockdown.LevelFile), Reasons: read(lockdown.ReasonsFile)}}
	for _, id := range probes {
		row, _ := scenarios.Find(id)
		if !row.On(g.Arch) {
			continue
		}
		o := scenarios.Observation{Probe: id, Comm: "ldp-1", Runs: 1, Result: scenarios.Result{Outcome: scenarios.Allowed, Call: "act = ok"}}
		switch {
		case row.Expect == scenarios.ABI:
			o.Outcome = scenarios.Answered
			o.Ops = []lockdown.Op{lockdown.NewModel(g.Interface, g.Setting).Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile})}
		case row.Expected(g.Setting) == scenarios.ExpectDenied:
			refusing := row.Refusing(g.Setting)
			info, _ := lockdown.Info(refusing[len(refusing)-1]) // a mask, where there is one
			o.Outcome, o.Call = scenarios.Denied, "act = EPERM"
			line := func(comm string) string {
				return "Lockdown: " + comm + ": " + info.Label + " is restricted; see man kernel_lockdown.7"
			}
			if row.DeniedAtBoot(g.Setting) {
				boot.Log = append(boot.Log, line("swapper/0"))
			} else {
				o.Log = []string{line("ldp-1")}
			}
		}
		run.Observations = append(run.Observations, o)
	}
	run.States = append([]scenarios.State{boot}, run.States...)
	return matrix.Result{Guest: g, Machines: []matrix.MachineRun{run}}
}

// fake makes a run of x86_64 guests that are answered for by guest.
func fake(t *testing.T, out string, guest func(context.Context, matrix.Guest, []string) matrix.Result) *run {
	t.Helper()
	p := mustPlan(t, Selection{Arches: []string{"x86_64"}})
	r := newRun(p, Options{Out: out, Jobs: 2})
	r.booted["bitmap/x86_64"] = &bootable{build: p.Builds[0]}
	r.guest = func(ctx context.Context, g matrix.Guest) matrix.Result { return guest(ctx, g, p.Probes) }
	return r
}

func TestRunOfASoundKernel(t *testing.T) {
	out := t.TempDir()
	m, err := fake(t, out, sound).measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !m.AsExpected() {
		t.Errorf("a sound kernel is accused: %v", m.Count())
	}
	sq := m.Tables[0].Isolation()
	if sq == nil {
		t.Fatal("no isolation square")
	}
	for i := range sq.Cells {
		for j, s := range sq.Cells[i] {
			if !s.Isolated() {
				t.Errorf("%s locked, %s probed: %+v", sq.Reasons[i], sq.Reasons[j], s)
			}
		}
	}
	for _, f := range report.Formats() {
		b, err := os.ReadFile(filepath.Join(out, f.File))
		if err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", f.File, len(b), err)
		}
	}
	again, err := Load(out)
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	report.Text(&a, m)
	report.Text(&b, again)
	if a.String() != b.String() {
		t.Error("the report of the results file differs from the run's")
	}
}

func TestOneLeakIsOneLeak(t *testing.T) {
	m, err := fake(t, t.TempDir(), func(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
		res := sound(ctx, g, probes)
		seen := res.Machines[0].Observations
		for i := range seen {
			if o := &seen[i]; o.Probe == "kexec/load" {
				o.Outcome, o.Call, o.Log = scenarios.Allowed, "act = ok", nil
			}
		}
		return res
	}).measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range m.Tables[0].Rows {
		for i, c := range row.Cells {
			leaks := row.Probe == "kexec/load" && m.Tables[0].Columns[i].Setting.Locks("kexec")
			if (c.Verdict == matrix.Leak) != leaks || (!leaks && !c.Verdict.Expected()) {
				t.Errorf("%s under %s: %s", row.Probe, m.Tables[0].Columns[i].Setting, c.Verdict)
			}
		}
	}
}

func TestLostGuestsRunOnceMoreAlone(t *testing.T) {
	var mu sync.Mutex
	tries, running, alone := map[string]int{}, 0, true
	r := fake(t, t.TempDir(), func(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
		mu.Lock()
		tries[g.ID()]++
		try := tries[g.ID()]
		running++
		if try > 1 && running > 1 {
			alone = false
		}
		mu.Unlock()
		defer func() { mu.Lock(); running--; mu.Unlock() }()
		time.Sleep(time.Millisecond)
		res := sound(ctx, g, probes)
		flaky := g.Setting.String() == "dev_mem@runtime" && try == 1
		dead := g.Setting.String() == "integrity@boot"
		killed := g.Setting.String() == "kexec@runtime"
		if flaky || dead || killed {
			res.Machines[0].Observations = res.Machines[0].Observations[:3]
			res.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic", Console: []string{"last words"}}
			if killed {
				res.End.Cause = "qemu-killed"
			}
		}
		return res
	})
	m, err := r.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range tries {
		want := 1
		if strings.HasSuffix(id, "/dev_mem@runtime") || strings.HasSuffix(id, "/integrity@boot") || strings.HasSuffix(id, "/kexec@runtime") {
			want = 2
		}
		if n != want {
			t.Errorf("%s ran %d times, want %d", id, n, want)
		}
	}
	if !alone {
		t.Error("a lost guest ran again beside others")
	}
	for i, c := range m.Tables[0].Columns {
		for row, r := range m.Tables[0].Rows {
			v := r.Cells[i].Verdict
			switch c.Setting.String() {
			case "integrity@boot":
				if (v == matrix.Lost) != (row >= 3) {
					t.Errorf("%s under %s: %s: want what was observed kept, and the rest lost", r.Probe, c.Setting, v)
				}
			case "kexec@runtime": // the host's fault says nothing about the kernel
				if v != matrix.Unproven {
					t.Errorf("%s under %s: %s, want unproven", r.Probe, c.Setting, v)
				}
			default:
				if !v.Expected() {
					t.Errorf("%s under %s: %s", r.Probe, c.Setting, v)
				}
			}
		}
	}
	if len(m.Errors()) != 1 {
		t.Errorf("errors %q, want one for the QEMU that was killed", m.Errors())
	}
}

func TestInterruptKeepsAndResumeGoesOn(t *testing.T) {
	out := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	ran := map[string]int{}
	count := func(g matrix.Guest) int {
		mu.Lock()
		defer mu.Unlock()
		ran[g.ID()]++
		return len(ran)
	}
	m, err := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		if count(g) == 5 {
			cancel()
		}
		return sound(c, g, probes)
	}).measure(ctx)
	if !errors.Is(err, ErrInterrupted) {
		t.Fatalf("measure: %v, want interrupted", err)
	}
	done := 0
	for i, c := range m.Tables[0].Columns {
		if m.Tables[0].Rows[0].Cells[i].Verdict != matrix.NotRun {
			done++
		} else if c.Shown != "" {
			t.Errorf("%s has no verdict and shows %q", c.Setting, c.Shown)
		}
	}
	if done == 0 || done == len(m.Tables[0].Columns) {
		t.Fatalf("%d of %d guests done: the interrupt came at a bad time for this test", done, len(m.Tables[0].Columns))
	}
	// An interrupted write leaves half a line.
	f, err := os.OpenFile(filepath.Join(out, ResultsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"sum":"00`)
	f.Close()
	if _, err := Load(out); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Load of a cut file: %v", err)
	}

	clear(ran)
	again := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		count(g)
		return sound(c, g, probes)
	})
	if _, err := again.measure(t.Context()); err == nil {
		t.Fatal("a run over old results without --resume: no error")
	}
	again.Resume = true
	if m, err = again.measure(t.Context()); err != nil || !m.AsExpected() {
		t.Fatalf("resume: %v, %v", err, m.Count())
	}
	if len(ran) != len(again.plan.Guests)-done {
		t.Errorf("resume ran %d guests, want the %d that were missing", len(ran), len(again.plan.Guests)-done)
	}
}

func TestResumeRunsAgainWhatChanged(t *testing.T) {
	out := t.TempDir()
	if _, err := fake(t, out, sound).measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ran := 0
	r := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		mu.Lock()
		ran++
		mu.Unlock()
		return sound(c, g, probes)
	})
	r.Resume = true
	r.booted["bitmap/x86_64"] = &bootable{build: r.plan.Builds[0], origin: matrix.Origin{ImageSHA256: "another kernel"}}
	if _, err := r.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ran != len(r.plan.Guests) {
		t.Errorf("another kernel: %d of %d guests ran again", ran, len(r.plan.Guests))
	}
	r.plan = mustPlan(t, Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity"}})
	if _, err := r.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "plan") {
		t.Errorf("resume of another plan: %v", err)
	}
}

func TestTwoRunsIntoOneDirectory(t *testing.T) {
	out := t.TempDir()
	inside, leave := make(chan bool), make(chan bool)
	var once sync.Once
	first := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		once.Do(func() { close(inside); <-leave })
		return sound(c, g, probes)
	})
	errs := make(chan error)
	go func() { _, err := first.measure(t.Context()); errs <- err }()
	<-inside
	second := fake(t, out, sound)
	second.Resume = true
	if _, err := second.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("second run: %v", err)
	}
	close(leave)
	if err := <-errs; err != nil {
		t.Errorf("first run: %v", err)
	}
}

// TestFullDisk has /dev/full take the results' place after two of them.
func TestFullDisk(t *testing.T) {
	out := t.TempDir()
	var r *run
	n := 0
	r = fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		if n++; n == 3 {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("no /dev/full")
			}
			r.store.file = full
		}
		return sound(c, g, probes)
	})
	r.Jobs = 1
	_, err := r.measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("measure on a full disk: %v", err)
	}
	m, err := Load(out)
	if err != nil {
		t.Fatalf("what was measured before is lost: %v", err)
	}
	kept := 0
	for i := range m.Tables[0].Columns {
		if m.Tables[0].Rows[0].Cells[i].Verdict.Expected() {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d guests kept, want the two before the disk was full: %v", kept, m.Count())
	}
}
