package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

func TestRunOfASoundKernel(t *testing.T) {
	out := t.TempDir()
	m, err := fake(t, out, sound).measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !m.AsExpected() {
		t.Errorf("a sound kernel is not as expected: %v", m.Count())
	}
	sq := m.Tables[0].Isolation()
	if sq == nil {
		t.Fatal("no isolation matrix")
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
	set, err := results.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	again, err := set.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	report.Write(&a, "text", report.Measurement{Matrix: m})
	report.Write(&b, "text", report.Measurement{Matrix: again})
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
				o.Outcome, o.Call, o.Log = scenarios.Allowed, "call = ok", nil
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

// A flaky is a kernel that loses three guests: one once, one always, and one
// because its QEMU is killed.
type flaky struct {
	mu      sync.Mutex
	tries   map[string]int
	running int
	beside  bool // a guest ran again while others ran
}

func (f *flaky) guest(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
	f.mu.Lock()
	f.tries[g.ID()]++
	try := f.tries[g.ID()]
	f.running++
	f.beside = f.beside || try > 1 && f.running > 1
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
	runtime.Gosched() // others may begin
	res := sound(ctx, g, probes)
	end := matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic", Console: []string{"last words"}}
	switch g.Setting.String() {
	case "dev_mem@runtime":
		if try > 1 {
			return res
		}
	case "integrity@boot":
	case "kexec@runtime":
		end.Ending, end.Cause = matrix.FailedByLab, "qemu-killed"
	default:
		return res
	}
	res.Machines[0].Observations = res.Machines[0].Observations[:3]
	res.End = end
	return res
}

func TestLostGuestsRunOnceMoreAlone(t *testing.T) {
	f := &flaky{tries: map[string]int{}}
	m, err := fake(t, t.TempDir(), f.guest).measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range f.tries {
		want := 1
		if strings.HasSuffix(id, "/dev_mem@runtime") || strings.HasSuffix(id, "/integrity@boot") || strings.HasSuffix(id, "/kexec@runtime") {
			want = 2
		}
		if n != want {
			t.Errorf("%s ran %d times, want %d", id, n, want)
		}
	}
	if f.beside {
		t.Error("a lost guest ran again while others ran")
	}
	for i, c := range m.Tables[0].Columns {
		for row, r := range m.Tables[0].Rows {
			v := r.Cells[i].Verdict
			if p, _ := scenarios.Find(r.Probe); !p.On("x86_64") {
				continue
			}
			switch c.Setting.String() {
			case "integrity@boot":
				if (v == matrix.Lost) != (row >= 3) {
					t.Errorf("%s under %s: %s: want the observations kept, and the rest lost", r.Probe, c.Setting, v)
				}
			case "kexec@runtime": // nothing follows about the kernel
				if v != matrix.Unproven && v != matrix.NotPlanned {
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
	rows := m.Tables[0].Rows // that of a probe that every guest runs
	row := rows[slices.IndexFunc(rows, func(r matrix.TableRow) bool { return r.Probe == "securityfs/show" })]
	for i, c := range m.Tables[0].Columns {
		if row.Cells[i].Verdict != matrix.NotRun {
			done++
		} else if c.Shown != "" {
			t.Errorf("%s has no verdict and shows %q", c.Setting, c.Shown)
		}
	}
	if done == 0 || done == len(m.Tables[0].Columns) {
		t.Fatalf("%d of %d guests done: this test needs an interrupt in the middle", done, len(m.Tables[0].Columns))
	}
	// An interrupted write leaves an incomplete line.
	f, err := os.OpenFile(filepath.Join(out, results.File), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"sum":"00`)
	f.Close()
	if set, err := results.Load(out); err != nil || !set.Cut || len(set.Results) != done {
		t.Errorf("Load of a cut file: cut %v, %d results, %v, want the %d results before the cut", set.Cut, len(set.Results), err, done)
	}

	clear(ran)
	again := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
		count(g)
		return sound(c, g, probes)
	})
	if _, err := again.measure(t.Context()); err == nil {
		t.Fatal("a run over old results without --resume: no error")
	}
	again.options.Resume = true
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
	r.options.Resume = true
	r.origin = matrix.Origin{ImageSHA256: "another kernel"}
	if _, err := r.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ran != len(r.plan.Guests) {
		t.Errorf("another kernel: %d of %d guests ran again", ran, len(r.plan.Guests))
	}
	r.plan = mustPlan(t, plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity"}})
	if _, err := r.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "plan") {
		t.Errorf("resume of another plan: %v", err)
	}
}

// TestResumeNeverRelabels resumes a run on another host. Results of the first
// host keep their host or run again; they never get the second host.
func TestResumeNeverRelabels(t *testing.T) {
	out := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	ran := map[string]string{} // guest: the host that last ran it
	on := func(host matrix.Host, after int) *fakeRun {
		r := fake(t, out, func(c context.Context, g matrix.Guest, probes []string) matrix.Result {
			mu.Lock()
			defer mu.Unlock()
			ran[g.ID()] = host.Accel
			if len(ran) == after {
				cancel()
			}
			return sound(c, g, probes)
		})
		r.host, r.options.Resume = host, true
		return r
	}
	if _, err := on(tcg, 9).measure(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("first run: %v", err)
	}
	kvm := matrix.Host{Arch: "x86_64", Accel: "kvm", QEMU: "QEMU 10.0", CPU: "host"}
	m, err := on(kvm, -1).measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set, err := results.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Results) != len(set.Header.Plan) {
		t.Errorf("%d results of %d guests", len(set.Results), len(set.Header.Plan))
	}
	for _, r := range set.Results {
		if r.Host.Accel != ran[r.ID()] {
			t.Errorf("%s ran under %s, the file says %s", r.ID(), ran[r.ID()], r.Host.Accel)
		}
	}
	if hosts := m.Hosts(); !m.AsExpected() || len(hosts) != 1 || hosts[0] != kvm {
		t.Errorf("hosts %v, %v", hosts, m.Count())
	}
	// The same host again, chosen for another reason: nothing runs.
	clear(ran)
	kvm.Why = "chosen by --accel"
	if _, err := on(kvm, -1).measure(t.Context()); err != nil || len(ran) != 0 {
		t.Errorf("%v, %d guests ran again", err, len(ran))
	}
}

// TestReportsAppearWhole: if writing a report fails, the old one stays.
func TestReportsAppearWhole(t *testing.T) {
	dir := t.TempDir()
	format := report.View{File: "report.x", Write: func(w io.Writer, _ report.Measurement) error { _, err := io.WriteString(w, "old"); return err }}
	if err := writeReports(dir, nil, []report.View{format}); err != nil {
		t.Fatal(err)
	}
	format.Write = func(w io.Writer, _ report.Measurement) error {
		_, err := io.WriteString(w, "ne")
		return errors.Join(err, errors.New("then it failed"))
	}
	if err := writeReports(dir, nil, []report.View{format}); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(filepath.Join(dir, format.File)); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
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
	second.options.Resume = true
	if _, err := second.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("second run: %v", err)
	}
	close(leave)
	if err := <-errs; err != nil {
		t.Errorf("first run: %v", err)
	}
}

// fullStore is a store whose disk is full after some results.
type fullStore struct {
	store
	left int
}

func (f *fullStore) Add(r matrix.Result) error {
	if f.left == 0 {
		return syscall.ENOSPC
	}
	f.left--
	return f.store.Add(r)
}

// TestFullDisk: a run ends when a result cannot be stored, and the earlier
// results stay.
func TestFullDisk(t *testing.T) {
	out := t.TempDir()
	r := fake(t, out, sound)
	r.options.Jobs = 1
	r.batch = func(b *batch) { b.store = &fullStore{b.store, 2} }
	if _, err := r.measure(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("measure on a full disk: %v", err)
	}
	set, err := results.Load(out)
	if err != nil || len(set.Results) != 2 {
		t.Fatalf("%v, %d results: want the two before the disk was full", err, len(set.Results))
	}
}

// TestOutStays: after an error before the first guest, the lab removes the directory that
// it made, and nothing that the user made.
func TestOutStays(t *testing.T) {
	t.Setenv("PATH", "") // there is no QEMU
	dir := t.TempDir()
	link, empty, fresh := filepath.Join(dir, "latest"), filepath.Join(dir, "empty"), filepath.Join(dir, "new")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "target"), 0o755), os.Symlink("target", link), os.Mkdir(empty, 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{link: true, empty: true, fresh: false} {
		_, err := Run(t.Context(), mustPlan(t, plan.Selection{Arches: []string{"x86_64"}}), Options{Out: name, Cache: dir})
		if err == nil || !strings.Contains(err.Error(), "install the Debian package") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := os.Lstat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
