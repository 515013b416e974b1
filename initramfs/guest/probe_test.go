package main

import (
	"bytes"
	"context"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// start starts a child for a probe. A test that waits for a limit makes that one
// short; the others are ample.
func start(t *testing.T, comm, probe string, l limits) *probeChild {
	t.Helper()
	w, err := startWorker(reaper, t.TempDir(), comm)
	if err != nil {
		t.Fatal(err)
	}
	c := childFor(t, w, probe, l)
	t.Cleanup(c.close)
	return c
}

// childFor has a worker run a probe.
func childFor(t *testing.T, w *worker, probe string, l limits) *probeChild {
	t.Helper()
	setting, err := lockdown.ParseSetting("integrity@runtime")
	if err != nil {
		t.Fatal(err)
	}
	return newProbeChild(w, probe, taskAct, l, scenarios.Env{Setting: setting, Interface: lockdown.Bitmap})
}

// ample are limits that no test reaches.
var ample = newLimits(maxScale)

// Limits of which one is reached.
var (
	shortAct    = limits{act: time.Millisecond, killed: ample.killed, gone: ample.gone, output: ample.output}
	shortKilled = limits{act: ample.act, killed: 50 * time.Millisecond, gone: ample.gone, output: ample.output}
)

func TestProbeChild(t *testing.T) {
	const failed = scenarios.Failed
	for _, tt := range []struct {
		probe   string
		limits  limits
		outcome scenarios.Outcome
		call    string
		why     string // part of it
	}{
		{"fake/ok", ample, scenarios.Allowed, "integrity@runtime bitmap", ""},
		{"fake/main-thread", ample, scenarios.Allowed, "true", ""},
		{"fake/panic", ample, failed, "", "panic: at the disco"},
		{"fake/exit", ample, failed, "", "child ended without a result: exit 7: bye"},
		{"fake/killed", ample, failed, "", "child ended without a result: killed by killed"},
		{"fake/hang", shortKilled, failed, "", "no result within 50ms"},
		{"fake/gives-up", shortAct, failed, "", "gave up"},
		{"fake/garbage", ample, failed, "", "length 4294967295 exceeds"},
		{"fake/half", ample, failed, "", "unexpected EOF"},
		{"fake/flood", ample, scenarios.Denied, "", ""},
		{"fake/leaves-daemon", ample, scenarios.Allowed, "<nil>", ""},
		{"fake/none-such", ample, failed, "", `unknown probe "fake/none-such"`},
	} {
		t.Run(tt.probe, func(t *testing.T) {
			r := start(t, "ldp-0001", tt.probe, tt.limits).act(t.Context())
			if r.Outcome != tt.outcome || r.Call != tt.call || !strings.Contains(r.Why, tt.why) {
				t.Errorf("got %+v, want %+v", r, tt)
			}
		})
	}
}

// TestChildEndsBeforeItsJob: a child that another program replaced, or that the
// kernel killed, is described by how it ended, not by the pipe that broke.
func TestChildEndsBeforeItsJob(t *testing.T) {
	defer func(was string) { program = was }(program)
	program = "/bin/ls" // of a file that does not exist
	c := start(t, "ldp-0001", "fake/ok", ample)
	if !reaper.wait(c.worker.process, ample.gone) {
		t.Fatal("the child did not end")
	}
	r := c.act(t.Context())
	if want := "child ended before it got its job: exit 2: "; r.Outcome != scenarios.Failed || !strings.HasPrefix(r.Why, want) || !strings.Contains(r.Why, "ldp-0001") {
		t.Errorf("%+v, want %q and the child's words", r, want)
	}
}

func TestEveryThreadOfTheChildHasItsComm(t *testing.T) {
	r := start(t, "ldp-9999", "fake/comms", ample).act(t.Context())
	lines := strings.Fields(r.Call)
	if len(lines) < 2 {
		t.Fatalf("threads' comms: %q; want those of several threads", lines)
	}
	for _, comm := range lines {
		if comm != "ldp-9999" {
			t.Errorf("a thread is named %q", comm)
		}
	}
}

// TestProbeEndsWithItsContext cancels a probe that hangs, long before its limits.
func TestProbeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := start(t, "ldp-0001", "fake/hang", ample).act(ctx); r.Outcome != scenarios.Failed || !strings.HasPrefix(r.Why, "run canceled") {
		t.Errorf("got %+v", r)
	}
}

func TestChildRefusesAnotherComm(t *testing.T) {
	j := job{probe: "fake/ok", left: time.Second}
	var out bytes.Buffer
	err := runJob(t.Context(), "ldp-0001", strings.NewReader(j.String()), &out, findFake)
	var r guestproto.Report
	if err == nil {
		err = vport.Read(&out, &r)
	}
	if err != nil || r.Outcome != scenarios.Failed || !strings.Contains(r.Why, `not "ldp-0001"`) {
		t.Errorf("got %+v", r)
	}
}

// TestPrefork starts children before there is work: each runs one probe under
// its own comm, and when they are used up new ones are started.
func TestPrefork(t *testing.T) {
	g := &guest{children: reaper, dir: t.TempDir()}
	if err := g.prefork(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range 3 {
		ready := len(g.ready)
		w, err := g.worker()
		if err != nil {
			t.Fatal(err)
		}
		if len(g.ready) != max(0, ready-1) {
			t.Errorf("worker %d: %d of %d preforked are left", i, len(g.ready), ready)
		}
		c := childFor(t, w, "fake/comms", ample)
		if r := c.act(t.Context()); seen[c.comm()] || r.Outcome != scenarios.Allowed || !strings.Contains(r.Call, c.comm()) {
			t.Errorf("worker %d, %s: %+v", i, c.comm(), r)
		}
		seen[c.comm()] = true
		c.close()
	}
}

// TestPreforkDropsADeadChild: a child that ends before it is ready is not given
// to a probe.
func TestPreforkDropsADeadChild(t *testing.T) {
	before := openFiles(t)
	defer func(p string) { program = p }(program)
	program = "/bin/true"
	g := &guest{children: reaper, dir: t.TempDir()}
	if err := g.prefork(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "prefork child: ") {
		t.Errorf("prefork: %v", err)
	}
	if left := leftOpen(t, before); len(g.ready) != 0 || len(left) != 0 {
		t.Errorf("%d children are ready; left open: %q", len(g.ready), left)
	}
}

// openFiles is what this process has open: the descriptor and its file. The
// runtime's own poller is left out, which opens its descriptors at first use.
func openFiles(t *testing.T) map[string]bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{}
	for _, fd := range fds {
		file, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil || strings.HasPrefix(file, "anon_inode:[event") {
			continue // the descriptor that read the directory; the poller
		}
		open[fd.Name()+" "+file] = true
	}
	return open
}

// leftOpen is what is open now and was not before. It does not compare numbers:
// a test that ran earlier may close its last file meanwhile.
func leftOpen(t *testing.T, before map[string]bool) []string {
	t.Helper()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(openFiles(t))), func(f string) bool { return before[f] })
}

// TestSetup runs a probe in two parts, with a lock between them.
func TestSetup(t *testing.T) {
	for id, want := range map[string]scenarios.Outcome{"fake/before": scenarios.Allowed, "fake/before-refused": scenarios.Denied, "fake/before-crash": scenarios.Failed} {
		file := orderFile(os.Getpid())
		_ = os.Remove(file)
		defer os.Remove(file)
		c := start(t, "ldp-0007", id, ample)
		c.setup(t.Context())
		if id != "fake/before-crash" {
			appendTo(file, "lock ")
		}
		r := c.act(t.Context())
		got, _ := os.ReadFile(file)
		if r.Outcome != want || want == scenarios.Allowed && string(got) != "before lock rest " {
			t.Errorf("%s: %+v, in the order %q", id, r, got)
		}
	}
}

// TestClosedAfterSetup: a child whose probe never acts leaves neither a process
// nor a descriptor behind.
func TestClosedAfterSetup(t *testing.T) {
	before := openFiles(t)
	w, err := startWorker(reaper, t.TempDir(), "ldp-0008")
	if err != nil {
		t.Fatal(err)
	}
	c := childFor(t, w, "fake/before", ample)
	c.setup(t.Context())
	c.close()
	_ = os.Remove(orderFile(os.Getpid()))
	left := leftOpen(t, before)
	if err := syscall.Kill(w.process.pid, 0); err != syscall.ESRCH || len(left) != 0 {
		t.Errorf("child: %v; left open: %q", err, left)
	}
}

func TestWorkersWanted(t *testing.T) {
	for cmdline, want := range map[string]int{
		"": 0, "quiet": 0, "quiet ldlab.workers=40\n": 40, "ldlab.workers=junk": 0, "ldlab.workers=-3": 0, "ldlab.workers=999": guestproto.MaxWorkers,
	} {
		if got := workersWanted(cmdline); got != want {
			t.Errorf("%q: %d workers, want %d", cmdline, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	one := newLimits(1)
	if one.act <= 0 || one.act >= one.killed || one.gone <= 0 || one.output <= 0 {
		t.Errorf("a probe's context does not end before the probe is killed: %+v", one)
	}
	for _, scale := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		if got := newLimits(scale); got != one {
			t.Errorf("scale %v: %+v, want %+v", scale, got, one)
		}
	}
	// Every field is scaled: one that is forgotten is found here.
	twice, most := reflect.ValueOf(newLimits(2)), reflect.ValueOf(newLimits(math.Inf(1)))
	for i := range twice.NumField() {
		base := reflect.ValueOf(one).Field(i).Int()
		if twice.Field(i).Int() != 2*base || most.Field(i).Int() != maxScale*base {
			t.Errorf("%s: %d at scale 1, %d at 2, %d at most", twice.Type().Field(i).Name, base, twice.Field(i).Int(), most.Field(i).Int())
		}
	}
}

func TestParseFree(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:  634000 kB\nMemFree:  1000 kB\nMemAvailable:     98304 kB\nBuffers: 1 kB\n": 96 << 20,
		"MemTotal: 1 kB\n": -1, "MemAvailable: much": -1, "": -1,
	} {
		n, ok := parseFree(text)
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v, want %d", text, n, ok, want)
		}
	}
}

// TestLimitAfterCutLog: lines that were lost with a part of the log took some of the
// kernel's limit, so that the next denial may have no line.
func TestLimitAfterCutLog(t *testing.T) {
	l := &lab{counts: true, deny: map[string]bool{"free/dumps": true, "free/next": true, "free/later": true}}
	l.onAct = func(probe string) {
		l.cut = probe == "free/dumps"
		if probe == "free/later" {
			l.time += klog.LimitInterval
		}
	}
	var in, out bytes.Buffer
	req := guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/dumps", "free/next", "free/later", "free/again"},
		Setting: lockdown.Setting{Level: lockdown.Integrity, Via: lockdown.Runtime}}
	if err := vport.Write(&in, &req); err != nil {
		t.Fatal(err)
	}
	if err := l.run(&out).answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	whole := map[string]bool{}
	if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.Observation != nil {
			whole[f.Observation.Probe] = f.Observation.LogWhole
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// The time passes in the act of the third one, so the fourth one has room.
	for probe, want := range map[string]bool{"free/dumps": false, "free/next": false, "free/later": false, "free/again": true} {
		if whole[probe] != want {
			t.Errorf("%s: the log has every line: %v, want %v", probe, whole[probe], want)
		}
	}
}
