package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
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

// ask answers one request and returns the stream's frames.
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
	if want := []lockdown.Write{{File: lockdown.LevelFile, Data: "integrity"}}; !reflect.DeepEqual(l.written, want) {
		t.Errorf("wrote %v, want %v", l.written, want)
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
		t.Errorf("single reason on an upstream kernel: %v", err)
	}
	if len(l.ran) > 0 {
		t.Errorf("ran %q for a rejected request", l.ran)
	}
	for name, in := range map[string]string{"half a message": "\x00\x00\x01", "garbage": "GET / HTTP/1.1\r\n\r\n", "nothing": ""} {
		var out bytes.Buffer
		if err := l.run(&out).answer(t.Context(), strings.NewReader(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := guestproto.ReadFrames(&out, nil); err == nil || !strings.HasPrefix(err.Error(), "guest: read request: ") {
			t.Errorf("%s: stream ends with %v", name, err)
		}
	}
}

func TestWriteWholeReportsARefusal(t *testing.T) {
	err := writeWhole("/dev/full", "integrity")
	if err == nil || err.Error() != `write("/dev/full", "integrity"): ENOSPC` {
		t.Errorf("got %v", err)
	}
}

// Every denial gets its line although the kernel prints only ten in 5 s, and the
// cell waits no longer than necessary. That holds, too, where timer interrupts
// come late, so that jiffies fall behind.
func TestCellPacesItself(t *testing.T) {
	for _, lag := range []time.Duration{1, 3} {
		l := &lab{deny: map[string]bool{}, lag: lag}
		var probes []string
		for i := range 35 {
			id := fmt.Sprintf("a/%d", i)
			probes = append(probes, id)
			l.deny[id] = true
		}
		for range 4 {
			l.logDenial("swapper") // lines of the boot count towards the limit, too
		}
		_, obs, err := ask(t, l, "integrity", probes...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range obs {
			if len(o.Log) != 1 || o.Runs != 1 {
				t.Errorf("lag %d: %s: %d lines after %d runs", lag, o.Probe, len(o.Log), o.Runs)
			}
		}
		if most := 3 * lag * (klog.LimitInterval + klog.LimitMargin); l.slept > most {
			t.Errorf("lag %d: slept %v for 39 lines, want at most %v", lag, l.slept, most)
		}
	}
}

// A cell does not wait if the kernel counts checks, and gives each observation
// the checks of its own comm.
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

// A kernel that counts has counted the denials that it logged while it booted, so
// they are not sent.
func TestCellSkipsTheDenialsOfTheBoot(t *testing.T) {
	l := &lab{counts: true, pending: []klog.Record{{Text: klog.DenialPrefix + "swapper: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"}}}
	var in, out bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/x"}})
	if err := l.run(&out).answer(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
		if f.State != nil && len(f.State.Log) > 0 {
			t.Errorf("state %s has the log %q", f.State.When, f.State.Log)
		}
		return nil
	}); err != nil || len(l.pending) > 0 {
		t.Errorf("%v; %d records are left", err, len(l.pending))
	}
}

// An observation is sent before its child is closed, and a run that is canceled
// closes the last child, too.
func TestCellAnswersFirst(t *testing.T) {
	for _, canceled := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var in, out bytes.Buffer
		var sent []int // observations, when a child is closed
		l := &lab{onClose: func(string) { sent = append(sent, len(observations(out.Bytes()))) }}
		if canceled {
			l.onAct = func(string) { cancel() }
		}
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/x", "free/y"}})
		err := l.run(&out).answer(ctx, &in)
		cancel()
		if want := []int{1, 2}; !canceled && (err != nil || !reflect.DeepEqual(sent, want)) {
			t.Errorf("children are closed after %v observations were sent, %v; want %v", sent, err, want)
		}
		if canceled && (!errors.Is(err, context.Canceled) || !reflect.DeepEqual(sent, []int{0})) {
			t.Errorf("canceled: %v, children are closed after %v observations", err, sent)
		}
	}
}

// observations returns the observations of a stream, which may be cut off.
func observations(stream []byte) (obs []scenarios.Observation) {
	_ = guestproto.ReadFrames(bytes.NewReader(stream), func(f guestproto.Frame) error {
		if f.Observation != nil {
			obs = append(obs, *f.Observation)
		}
		return nil
	})
	return obs
}

// A brokenPipe accepts some writes and rejects the others.
type brokenPipe struct{ left int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

// However a run ends, no child is left in a guest that may get another request:
// neither one that waits for its probe, nor one of a probe that is named twice.
func TestCellLeavesNoChild(t *testing.T) {
	probes := []string{"setup/a", "setup/b", "setup/a", "free/c"}
	request := func() *bytes.Buffer {
		var in bytes.Buffer
		s, _ := lockdown.ParseSetting("integrity@runtime")
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Setting: s, Probes: probes})
		return &in
	}
	t.Run("complete", func(t *testing.T) {
		l := &lab{}
		var out bytes.Buffer
		err := l.run(&out).answer(t.Context(), request())
		if obs := observations(out.Bytes()); err != nil || len(obs) != 4 || l.open() != 0 {
			t.Errorf("%v: %d observations, children left: %v", err, len(obs), l.started)
		}
		if !reflect.DeepEqual(l.ran, probes) {
			t.Errorf("ran %q, want %q", l.ran, probes)
		}
	})
	t.Run("mutant fails twice", func(t *testing.T) {
		l := &lab{refuse: mutateFile}
		g := l.guest()
		for range 2 {
			var in, out bytes.Buffer
			_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: probes, Mutant: "allow x"})
			err := l.runOn(g, &out).answer(t.Context(), &in)
			if ferr := guestproto.ReadFrames(&out, func(guestproto.Frame) error { return nil }); err != nil || ferr == nil || !strings.Contains(ferr.Error(), "refused") {
				t.Errorf("answer: %v, the stream ends with %v", err, ferr)
			}
			if l.open() != 0 {
				t.Errorf("%d children started, left: %v", l.serial, l.started)
			}
		}
	})
	for frames := range 7 { // two states, four observations, the last state
		t.Run(fmt.Sprintf("stream breaks after %d frames", frames), func(t *testing.T) {
			l := &lab{}
			r := l.run(nil)
			r.out = &brokenPipe{frames}
			if err := r.answer(t.Context(), request()); !errors.Is(err, syscall.EPIPE) || l.open() != 0 {
				t.Errorf("%v, children left: %v", err, l.started)
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &lab{onAct: func(string) { cancel() }}
		if err := l.run(new(bytes.Buffer)).answer(ctx, request()); !errors.Is(err, context.Canceled) || l.open() != 0 {
			t.Errorf("%v, children left: %v", err, l.started)
		}
	})
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

func TestCellObservesAgainIfTheLineMayBeLost(t *testing.T) {
	// The reason of this probe is not locked by the setting, so the probe does
	// not pace itself, yet it is denied.
	l := &lab{deny: map[string]bool{"a/x": true}}
	for range klog.LimitBurst {
		l.logDenial("other")
	}
	_, obs, err := ask(t, l, "none", "a/x")
	if err != nil || obs[0].Runs != 2 || len(obs[0].Log) != 1 {
		t.Errorf("got %+v, %v", obs, err)
	}
}

func TestCellRunsAProbeAtMostThreeTimes(t *testing.T) {
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

// What happened although it was denied is not hidden by another run.
func TestCellKeepsWhatHappened(t *testing.T) {
	for effect, want := range map[scenarios.Effect]int{scenarios.Happened: 1, scenarios.Nothing: maxRuns} {
		l := &lab{deny: map[string]bool{"a/x": true}, mute: true, cut: true, effect: effect}
		_, obs, err := ask(t, l, "integrity@runtime", "a/x")
		if err != nil || obs[0].Runs != want || obs[0].Effect != effect {
			t.Errorf("%s: %+v, %v; want %d runs", effect, obs, err, want)
		}
	}
}

func TestCellNeverWaitsIfNothingIsLocked(t *testing.T) {
	l := &lab{}
	for range klog.LimitBurst {
		l.logDenial("swapper")
	}
	_, _, err := ask(t, l, "none", "a/x", "a/y")
	if err != nil || l.slept != 0 {
		t.Errorf("slept %v, %v", l.slept, err)
	}
}

func TestCellReportsAMissingLogOnce(t *testing.T) {
	l := &lab{logErr: errors.New("open /dev/kmsg: gone")}
	var out bytes.Buffer
	r := l.run(&out)
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
		t.Errorf("states report %q, %v", errs, err)
	}
}

// Races run in their order, and each report is a frame; one that cannot run ends the
// request.
func TestCellRunsRaces(t *testing.T) {
	w := lockdown.RaceWriter{File: lockdown.LevelFile, Data: "integrity", Act: "/dev/mem"}
	good := lockdown.Race{Writers: []lockdown.RaceWriter{w, w}, Rounds: 1}
	run := func(races ...lockdown.Race) (rounds []int, err error) {
		var l lab
		var in, out bytes.Buffer
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Races: races})
		r := l.run(&out)
		r.runRace = func(race lockdown.Race) lockdown.RaceReport { return lockdown.RaceReport{Rounds: race.Rounds} }
		if err := r.answer(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		err = guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
			if f.Race != nil {
				rounds = append(rounds, f.Race.Rounds)
			}
			return nil
		})
		return rounds, err
	}
	more := good
	more.Rounds = 2
	if got, err := run(good, more); err != nil || !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := run(good, lockdown.Race{}); err == nil || got != nil {
		t.Errorf("a race without writers: %v, %v", got, err)
	}
}

// A sequence runs after the setting is locked, and each operation is a frame.
func TestCellRunsASequence(t *testing.T) {
	var l lab
	run := func(sequence ...lockdown.Op) (answers []lockdown.Op, err error) {
		var in, out bytes.Buffer
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Bitmap, Sequence: sequence})
		r := l.run(&out)
		r.runOps = func(ops []lockdown.Op) iter.Seq[lockdown.Op] {
			return func(yield func(lockdown.Op) bool) {
				for _, s := range ops {
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
			if f.Op != nil {
				answers = append(answers, *f.Op)
			}
			return nil
		})
		return answers, err
	}
	sequence := []lockdown.Op{
		{Call: "write", File: lockdown.ReasonsFile, Data: "dev_mem\xff\x00"},
		{Call: "write", File: lockdown.ReasonsFile, Data: "msr", Same: true, At: 4},
		{Call: "write", File: lockdown.LevelFile, Data: "integrity\n", Group: 2},
	}
	got, err := run(sequence...)
	for i := range sequence {
		sequence[i].Err = "EPERM"
	}
	if err != nil || !reflect.DeepEqual(got, sequence) {
		t.Errorf("%v, %v; want %v", got, err, sequence)
	}
	for _, bad := range []lockdown.Op{{Call: "write", File: "/etc/passwd"}, {Call: "unlink", File: lockdown.LevelFile}, {Call: "read", File: lockdown.LevelFile, At: -1}} {
		if got, err := run(bad); err == nil || !strings.HasPrefix(err.Error(), "guest: check sequence: ") || len(got) > 0 {
			t.Errorf("%s: %v, %v", bad, got, err)
		}
	}
}

func TestEveryRowIsFound(t *testing.T) {
	for _, row := range scenarios.Rows() {
		if found, ok := scenarios.Find(row.ID); !ok || found.ID != row.ID || (found.Do == nil) == (found.Setup == nil) {
			t.Errorf("%s: found %v", row.ID, ok)
		}
	}
}
