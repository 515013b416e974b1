package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A lab is a machine whose kernel denies, logs and limits like the real one.
type lab struct {
	clock   time.Duration
	kernel  ratelimit
	pending []record
	deny    map[string]bool // probes
	mute    bool            // the kernel says nothing
	cut     bool            // the log is always overrun
	counts  bool            // it counts checks
	counted []scenarios.Check
	ran     []string
	slept   time.Duration
	locked  []lockdown.Write
}

func (l *lab) run(out *bytes.Buffer) *cellRun {
	r := newCellRun(&guest{started: time.Now(), log: l.log, skipLog: func() { _, _, _ = l.log() }}, out)
	r.find = func(id string) (scenarios.Row, bool) {
		p := scenarios.Probe{Reason: "kexec"}
		if strings.HasPrefix(id, "free/") {
			p.Expect = scenarios.Unchecked
		}
		return scenarios.Row{ID: id, Probe: p}, !strings.HasPrefix(id, "none/")
	}
	r.state = func(when string) *guestproto.State { return &guestproto.State{When: when} }
	r.lock = func(w []lockdown.Write) error { l.locked = append(l.locked, w...); return nil }
	r.now = func() time.Duration { return l.clock }
	r.sleep = func(_ context.Context, d time.Duration) { l.clock += max(d, 0); l.slept += max(d, 0) }
	r.probe, r.release = l.probe, func() {}
	r.counts = func() ([]scenarios.Check, bool, error) {
		c := l.counted
		l.counted = nil
		return c, l.counts, nil
	}
	return r
}

func (l *lab) log() ([]record, bool, error) {
	p := l.pending
	l.pending = nil
	return p, l.cut, nil
}

func (l *lab) probe(_ context.Context, row scenarios.Row, _ guestproto.Request) (string, scenarios.Result) {
	l.clock += 50 * time.Millisecond
	l.ran = append(l.ran, row.ID)
	comm := fmt.Sprintf("ldp-%04d", len(l.ran))
	if !l.deny[row.ID] {
		return comm, scenarios.Result{Outcome: scenarios.Allowed}
	}
	l.say(comm)
	l.counted = append(l.counted, scenarios.Check{Site: "f+0x1/0x2", Label: "kexec of unsigned images", Comm: comm, Checks: 1, Denials: 1})
	return comm, scenarios.Result{Outcome: scenarios.Denied, Errno: "EPERM"}
}

func (l *lab) say(comm string) {
	if !l.mute && l.kernel.allow(l.clock) {
		l.pending = append(l.pending, record{l.clock, denialPrefix + comm + ": kexec of unsigned images is restricted; see man kernel_lockdown.7"})
	}
}

// ask answers one request and gives the stream's frames.
func ask(t *testing.T, l *lab, setting string, probes ...string) (states []string, obs []scenarios.Observation, err error) {
	t.Helper()
	s, perr := lockdown.ParseSetting(setting)
	if perr != nil {
		t.Fatal(perr)
	}
	var in, out bytes.Buffer
	if err := vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Setting: s, Probes: probes}); err != nil {
		t.Fatal(err)
	}
	if err := l.run(&out).answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	err = guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.State != nil {
			states = append(states, f.State.When)
		} else {
			obs = append(obs, *f.Observation)
		}
		return nil
	})
	return states, obs, err
}

func TestCellStream(t *testing.T) {
	l := &lab{deny: map[string]bool{"a/denied": true}}
	states, obs, err := ask(t, l, "integrity@runtime", "a/denied", "free/allowed", "a/denied")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"boot", "locked", "end"}; !reflect.DeepEqual(states, want) {
		t.Errorf("states %q, want %q", states, want)
	}
	if want := []lockdown.Write{{File: lockdown.LevelFile, Data: "integrity"}}; !reflect.DeepEqual(l.locked, want) {
		t.Errorf("wrote %v, want %v", l.locked, want)
	}
	comms := map[string]bool{}
	for i, o := range obs {
		comms[o.Comm] = true
		if denied := o.Probe == "a/denied"; denied != (len(o.Log) == 1) || o.Runs != 1 || o.Duration < 0 {
			t.Errorf("observation %d: %+v", i, o)
		}
	}
	if len(obs) != 3 || len(comms) != 3 {
		t.Errorf("got %d observations under %d comms, want 3 of each", len(obs), len(comms))
	}
}

func TestCellRefuses(t *testing.T) {
	var l lab
	if _, _, err := ask(t, &l, "none", "a/b", "none/such"); err == nil || err.Error() != `guest: unknown probe "none/such"` {
		t.Errorf("unknown probe: %v", err)
	}
	if _, _, err := ask(t, &l, "kexec@runtime"); err == nil || !strings.Contains(err.Error(), "upstream") {
		t.Errorf("single reason on a tristate kernel: %v", err)
	}
	if len(l.ran) > 0 {
		t.Errorf("ran %q for a request that was refused", l.ran)
	}
	for name, in := range map[string]string{"half a message": "\x00\x00\x01", "garbage": "GET / HTTP/1.1\r\n\r\n", "nothing": ""} {
		var out bytes.Buffer
		if err := l.run(&out).answer(t.Context(), strings.NewReader(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := guestproto.ReadFrames(&out, nil); err == nil || !strings.HasPrefix(err.Error(), "guest: read request: ") {
			t.Errorf("%s: stream says %v", name, err)
		}
	}
}

func TestCellTellsOfAWriteThatTheKernelRefused(t *testing.T) {
	err := lock([]lockdown.Write{{File: "/dev/full", Data: "integrity"}})
	if err == nil || err.Error() != `lock: write("/dev/full", "integrity"): ENOSPC` {
		t.Errorf("got %v", err)
	}
}

// Every denial gets its line although the kernel prints only ten in 5 s, and
// the cell waits no longer than the lines need.
func TestCellPacesItself(t *testing.T) {
	l := &lab{deny: map[string]bool{}}
	var probes []string
	for i := range 35 {
		id := fmt.Sprintf("a/%d", i)
		probes = append(probes, id)
		l.deny[id] = true
	}
	for range 4 {
		l.say("swapper") // lines of the boot count, too
	}
	_, obs, err := ask(t, l, "integrity", probes...)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range obs {
		if len(o.Log) != 1 || o.Runs != 1 {
			t.Errorf("%s: %d lines after %d runs", o.Probe, len(o.Log), o.Runs)
		}
	}
	if most := 3 * (limitInterval + limitMargin); l.slept > most {
		t.Errorf("slept %v for 39 lines, want at most %v", l.slept, most)
	}
}

// A kernel that counts is not waited for, and nobody's checks are another's.
func TestCellCounts(t *testing.T) {
	l := &lab{deny: map[string]bool{}, counts: true, counted: []scenarios.Check{{Site: "g+0x1/0x2", Comm: "swapper", Checks: 3}}}
	var probes []string
	for i := range 35 {
		id := fmt.Sprintf("a/%d", i)
		probes = append(probes, id)
		l.deny[id] = true
	}
	_, obs, err := ask(t, l, "integrity", probes...)
	if err != nil || l.slept > 0 {
		t.Fatalf("%v, slept %v", err, l.slept)
	}
	for _, o := range obs {
		if len(o.Checks) != 1 || o.Checks[0].Comm != o.Comm || o.Checks[0].Denials != 1 {
			t.Errorf("%s, %s: %+v", o.Probe, o.Comm, o.Checks)
		}
	}
}

// What a kernel that counts logged while it booted is passed over.
func TestCellSkipsTheLogOfTheBoot(t *testing.T) {
	l := &lab{counts: true, pending: []record{{text: denialPrefix + "swapper: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"}}}
	var in, out bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/x"}})
	if err := l.run(&out).answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.State != nil && len(f.State.Log) > 0 {
			t.Errorf("state %s says %q", f.State.When, f.State.Log)
		}
		return nil
	}); err != nil || len(l.pending) > 0 {
		t.Errorf("%v; %d records are left", err, len(l.pending))
	}
}

// An observation is sent before its child is ended, and a run that is canceled
// ends the last child, too.
func TestCellAnswersFirst(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		var l lab
		var in, out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		r := l.run(&out)
		var sent []int // observations, when a child is ended
		r.release = func() {
			n := 0
			_ = guestproto.ReadFrames(bytes.NewReader(out.Bytes()), func(f guestproto.Frame) error {
				if f.Observation != nil {
					n++
				}
				return nil
			})
			sent = append(sent, n)
		}
		probe := r.probe
		r.probe = func(ctx context.Context, row scenarios.Row, req guestproto.Request) (string, scenarios.Result) {
			if cancelled {
				cancel()
			}
			return probe(ctx, row, req)
		}
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/x", "free/y"}})
		err := r.answer(ctx, &in)
		cancel()
		if want := []int{1, 2, 2}; !cancelled && (err != nil || !reflect.DeepEqual(sent, want)) {
			t.Errorf("children are ended after %v observations were sent, %v; want %v", sent, err, want)
		}
		if cancelled && (err == nil || len(sent) != 1) {
			t.Errorf("canceled: %v, children are ended %d times", err, len(sent))
		}
	}
}

func TestParseCounts(t *testing.T) {
	got, err := parseCounts("#\tmissed\t0\nopen_port+0x2a/0x40\t/dev/mem,kmem,port\tldp-0001\t2\t1\ninit+0x1/0x9 [m]\tunsafe mmio\tx\\ty\t1\t0\n")
	want := []scenarios.Check{
		{Site: "open_port+0x2a/0x40", Label: "/dev/mem,kmem,port", Comm: "ldp-0001", Checks: 2, Denials: 1},
		{Site: "init+0x1/0x9 [m]", Label: "unsafe mmio", Comm: `x\ty`, Checks: 1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"#\tmissed\t3\n", "f\tr\tc\t1\n", "f\tr\tc\tone\t0\n", "junk\n"} {
		if got, err := parseCounts(bad); err == nil {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
}

func TestCellObservesAgainWhereTheLineMayBeLost(t *testing.T) {
	// The probe's own pacing is bypassed: its reason is not locked by the
	// setting, yet it is denied.
	l := &lab{deny: map[string]bool{"a/x": true}}
	for range limitBurst {
		l.say("other")
	}
	_, obs, err := ask(t, l, "none", "a/x")
	if err != nil || obs[0].Runs != 2 || len(obs[0].Log) != 1 {
		t.Errorf("got %+v, %v", obs, err)
	}
}

func TestCellRunsNoProbeMoreThanThrice(t *testing.T) {
	for name, l := range map[string]*lab{
		"silent kernel": {mute: true},
		"log cut":       {mute: true, cut: true},
	} {
		l.deny = map[string]bool{"a/x": true, "free/x": true}
		_, obs, err := ask(t, l, "integrity", "a/x", "free/x")
		want := map[bool]int{false: 1, true: maxRuns}[l.cut]
		if err != nil || obs[0].Runs != want || obs[1].Runs != 1 || obs[0].Log != nil {
			t.Errorf("%s: %+v, %v", name, obs, err)
		}
	}
}

func TestCellNeverWaitsWhereNothingIsLocked(t *testing.T) {
	l := &lab{}
	for range limitBurst {
		l.say("swapper")
	}
	_, _, err := ask(t, l, "none", "a/x", "a/y")
	if err != nil || l.slept != 0 {
		t.Errorf("slept %v, %v", l.slept, err)
	}
}

func TestCellTellsOnceOfAMissingLog(t *testing.T) {
	var l lab
	var out bytes.Buffer
	r := l.run(&out)
	r.g.log = func() ([]record, bool, error) { return nil, false, errors.New("open /dev/kmsg: gone") }
	var in bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"a/x", "a/y"}})
	if err := r.answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	var errs []string
	if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.State != nil {
			errs = append(errs, f.State.Errors...)
		}
		return nil
	}); err != nil || !reflect.DeepEqual(errs, []string{"open /dev/kmsg: gone"}) {
		t.Errorf("states say %q, %v", errs, err)
	}
}

// A script is played after the setting is locked, and every step is a frame.
func TestCellPlaysAScript(t *testing.T) {
	var l lab
	play := func(script ...lockdown.Op) (answers []lockdown.Op, err error) {
		var in, out bytes.Buffer
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Bitmap, Sequence: script})
		r := l.run(&out)
		r.play = func(steps []lockdown.Op) iter.Seq[lockdown.Op] {
			return func(yield func(lockdown.Op) bool) {
				for _, s := range steps {
					if s.Err = "EPERM"; !yield(s) {
						return
					}
				}
			}
		}
		if err := r.answer(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		err = guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
			if f.Step != nil {
				answers = append(answers, *f.Step)
			}
			return nil
		})
		return answers, err
	}
	script := []lockdown.Op{
		{Call: "write", File: lockdown.ReasonsFile, Data: "dev_mem\xff\x00"},
		{Call: "write", File: lockdown.ReasonsFile, Data: "msr", Same: true, At: 4},
		{Call: "write", File: lockdown.LevelFile, Data: "integrity\n", Group: 2},
	}
	got, err := play(script...)
	for i := range script {
		script[i].Err = "EPERM"
	}
	if err != nil || !reflect.DeepEqual(got, script) {
		t.Errorf("%v, %v; want %v", got, err, script)
	}
	for _, bad := range []lockdown.Op{{Call: "write", File: "/etc/passwd"}, {Call: "unlink", File: lockdown.LevelFile}, {Call: "read", File: lockdown.LevelFile, At: -1}} {
		if got, err := play(bad); err == nil || !strings.HasPrefix(err.Error(), "guest: check script: ") || len(got) > 0 {
			t.Errorf("%s: %v, %v", bad, got, err)
		}
	}
}

func TestEveryRowIsFound(t *testing.T) {
	for _, row := range scenarios.Rows() {
		if found, ok := scenarios.Find(row.ID); !ok || found.ID != row.ID || (found.Act == nil) == (found.Setup == nil) {
			t.Errorf("%s: found %v", row.ID, ok)
		}
	}
}
