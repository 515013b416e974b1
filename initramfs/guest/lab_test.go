package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/initramfs/guest/klog/klogtest"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A lab is a machine whose kernel denies, logs and limits like a real one. It
// is its own clock.
type lab struct {
	time    time.Duration
	kernel  klogtest.Ratelimit
	pending []klog.Record
	left    []string         // splats of every state
	deny    map[string]bool  // probes
	effect  scenarios.Effect // of what it denies
	mute    bool             // the kernel logs nothing
	cut     bool             // the log is always overrun
	logErr  error
	counts  bool // it counts checks
	counted []scenarios.Check
	ran     []string
	slept   time.Duration
	lag     time.Duration // how many times slower jiffies are than the clock that sleeps are measured by, if not 0
	written []lockdown.Write
	refuse  string // a file that cannot be written
	serial  int
	started map[string]int     // children that are not closed, by probe
	onAct   func(probe string) // called before a child acts
	onClose func(probe string) // called when a child is closed
}

func (l *lab) guest() *guest { return &guest{started: time.Now(), machine: l, clock: l} }

func (l *lab) run(out *bytes.Buffer) *cellRun { return l.runOn(l.guest(), out) }

func (l *lab) runOn(g *guest, out *bytes.Buffer) *cellRun {
	r := newCellRun(g, out)
	r.find = func(id string) (scenarios.Row, bool) {
		p := scenarios.Probe{}
		p.Reason = "kexec"
		if strings.HasPrefix(id, "free/") {
			p.Expect = scenarios.Unchecked
		}
		if strings.HasPrefix(id, "vary/") || strings.HasPrefix(id, "alters/") {
			p.Do = func(context.Context, scenarios.Env) scenarios.Report { panic("the lab acts") }
			p.AltersLock = strings.HasPrefix(id, "alters/")
		}
		if strings.HasPrefix(id, "setup/") {
			p.Setup = fakesBefore["fake/before"] // not called
		}
		return scenarios.Row{ID: id, Probe: p}, !strings.HasPrefix(id, "none/")
	}
	return r
}

func (l *lab) state(when string) *guestproto.State {
	return &guestproto.State{When: when, Splats: l.left}
}

func (l *lab) write(file, data string) error {
	if file == l.refuse {
		return errors.New("refused")
	}
	l.written = append(l.written, lockdown.Write{File: file, Data: data})
	return nil
}

func (l *lab) drainCounts() ([]scenarios.Check, bool, error) {
	c := l.counted
	l.counted = nil
	return c, l.counts, nil
}

func (l *lab) Read() ([]klog.Record, bool, error) {
	p := l.pending
	l.pending = nil
	return p, l.cut, l.logErr
}

func (l *lab) now() time.Duration { return l.time }

func (l *lab) sleep(_ context.Context, d time.Duration) {
	l.time += max(d/max(l.lag, 1), min(d, klog.Jiffy))
	l.slept += d
}

func (l *lab) child(probe string, t task, _ *guestproto.Request) (child, error) {
	l.serial++
	if l.started == nil {
		l.started = map[string]int{}
	}
	l.started[probe]++
	return &labChild{l, t, probe, fmt.Sprintf("ldp-%04d", l.serial)}, nil
}

// open counts the children that are not closed.
func (l *lab) open() (n int) {
	for _, c := range l.started {
		n += c
	}
	return n
}

// A labChild is a lab's child.
type labChild struct {
	l           *lab
	task        task
	probe, name string
}

func (c *labChild) comm() string          { return c.name }
func (c *labChild) setup(context.Context) {}

func (c *labChild) vary(context.Context) []scenarios.Variant {
	if c.task == taskElsewhere {
		c.l.counted = append(c.l.counted, scenarios.Check{Site: "f+0x1/0x2", Label: "kexec of unsigned images", Comm: c.name, Checks: 5, Denials: 5})
		return []scenarios.Variant{{Args: "elsewhere", Report: scenarios.Report{Outcome: scenarios.Allowed}}}
	}
	c.l.ran = append(c.l.ran, "variants of "+c.probe)
	c.l.counted = append(c.l.counted, scenarios.Check{Site: "f+0x1/0x2", Label: "kexec of unsigned images", Comm: c.name, Checks: 7, Denials: 7})
	return []scenarios.Variant{{Args: "v", Report: scenarios.Report{Outcome: scenarios.Allowed}}}
}

func (c *labChild) close() {
	c.l.started[c.probe]--
	if c.l.onClose != nil {
		c.l.onClose(c.probe)
	}
}

func (c *labChild) act(context.Context) scenarios.Report {
	l := c.l
	if l.onAct != nil {
		l.onAct(c.probe)
	}
	l.time += 50 * time.Millisecond
	l.ran = append(l.ran, c.probe)
	if !l.deny[c.probe] {
		return scenarios.Report{Outcome: scenarios.Allowed}
	}
	l.logDenial(c.name)
	l.counted = append(l.counted, scenarios.Check{Site: "f+0x1/0x2", Label: "kexec of unsigned images", Comm: c.name, Checks: 1, Denials: 1})
	return scenarios.Report{Outcome: scenarios.Denied, Errno: "EPERM", Effect: l.effect}
}

func (l *lab) logDenial(comm string) {
	if !l.mute && l.kernel.Allow(l.time) {
		l.pending = append(l.pending, klog.Record{At: l.time, Text: klog.DenialPrefix + comm + ": kexec of unsigned images is restricted; see man kernel_lockdown.7"})
	}
}
