package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func testProber(t *testing.T, scale float64) prober {
	setting, err := lockdown.ParseSetting("integrity@runtime")
	if err != nil {
		t.Fatal(err)
	}
	return prober{reaper, t.TempDir(), scale, scenarios.Env{Setting: setting, Interface: lockdown.Bitmap}}
}

func TestProbeChild(t *testing.T) {
	const failed = scenarios.Failed
	for _, tt := range []struct {
		probe   string
		scale   float64
		outcome scenarios.Outcome
		call    string
		why     string // part of it
	}{
		{"fake/ok", 1, scenarios.Allowed, "integrity@runtime bitmap", ""},
		{"fake/main-thread", 1, scenarios.Allowed, "true", ""},
		{"fake/panic", 1, failed, "", "panic: at the disco"},
		{"fake/exit", 1, failed, "", "child ended without a result: exit 7: bye"},
		{"fake/killed", 1, failed, "", "child ended without a result: killed by killed"},
		{"fake/hang", 0.05, failed, "", "no result within 500ms"},
		{"fake/gives-up", 0.1, failed, "", "gave up"},
		{"fake/garbage", 1, failed, "", "length 4294967295 exceeds"},
		{"fake/half", 1, failed, "", "unexpected EOF"},
		{"fake/flood", 1, scenarios.Denied, "", ""},
		{"fake/leaves-daemon", 1, scenarios.Allowed, "<nil>", ""},
		{"fake/none-such", 1, failed, "", `unknown probe "fake/none-such"`},
	} {
		t.Run(tt.probe, func(t *testing.T) {
			r := testProber(t, tt.scale).run(t.Context(), "ldp-0001", tt.probe)
			if r.Outcome != tt.outcome || r.Call != tt.call || !strings.Contains(r.Why, tt.why) {
				t.Errorf("got %+v, want %+v", r, tt)
			}
		})
	}
}

func TestEveryThreadOfTheChildHasItsComm(t *testing.T) {
	r := testProber(t, 1).run(t.Context(), "ldp-9999", "fake/comms")
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

func TestProbeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	r := testProber(t, 1).run(ctx, "ldp-0001", "fake/hang")
	if r.Outcome != scenarios.Failed || !strings.HasPrefix(r.Why, "run canceled") || time.Since(begin) > 5*time.Second {
		t.Errorf("got %+v after %v", r, time.Since(begin))
	}
}

func TestChildRefusesAnotherComm(t *testing.T) {
	j := job{probe: "fake/ok", left: time.Second}
	r := runJob("ldp-0001", strings.NewReader(j.String()), io.Discard, findFake)
	if r.Outcome != scenarios.Failed || !strings.Contains(r.Why, `not "ldp-0001"`) {
		t.Errorf("got %+v", r)
	}
}

// TestWorkersWait hires children before there is work: each runs one probe,
// under its own comm, and then there are new ones.
func TestWorkersWait(t *testing.T) {
	g := &guest{children: reaper, dir: t.TempDir()}
	if err := g.hire(2); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range 3 {
		hired := len(g.idle)
		w, err := g.worker()
		if err != nil {
			t.Fatal(err)
		}
		if len(g.idle) != max(0, hired-1) {
			t.Errorf("worker %d: %d of %d hired are left", i, len(g.idle), hired)
		}
		r := testProber(t, 1).give(t.Context(), w, "fake/comms")
		if seen[w.comm] || r.Outcome != scenarios.Allowed || !strings.Contains(r.Call, w.comm) {
			t.Errorf("worker %d, %s: %+v", i, w.comm, r)
		}
		seen[w.comm] = true
		testProber(t, 1).end(w)
	}
}

// TestBefore runs a probe in two parts, with a lock between them.
func TestBefore(t *testing.T) {
	p := testProber(t, 1)
	for id, want := range map[string]scenarios.Outcome{"fake/before": scenarios.Allowed, "fake/before-refused": scenarios.Denied, "fake/before-crash": scenarios.Failed} {
		file := orderFile(os.Getpid())
		_ = os.Remove(file)
		defer os.Remove(file)
		w, err := startWorker(reaper, p.dir, "ldp-0007")
		if err != nil {
			t.Fatal(err)
		}
		p.prepare(w, id)
		if id != "fake/before-crash" {
			appendTo(file, "lock ")
		}
		r := p.give(t.Context(), w, id)
		p.end(w)
		got, _ := os.ReadFile(file)
		if r.Outcome != want || want == scenarios.Allowed && string(got) != "before lock rest " {
			t.Errorf("%s: %+v, in the order %q", id, r, got)
		}
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
