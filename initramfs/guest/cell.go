package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// maxRuns bounds how often one probe is observed.
const maxRuns = 3

// A guest is what the program knows for as long as the machine runs. The
// func fields are the machine; tests put their own.
type guest struct {
	started    time.Time
	marks      []scenarios.Mark
	bootErrors []string
	children   *children
	dir        string // for the names of children; empty: the root
	log        func() ([]record, bool, error)
	skipLog    func() // passes over what log would give
	off        func()

	cell    sync.Mutex // one cell at a time: they share the kernel's log and limit
	limit   limiter
	serial  int // of the last probe's child: its comm is its own in this boot
	idle    []*worker
	taken   *cellRun // has what the kernel counted and logged of the boot; nil: nobody asked yet
	logOnce bool
}

// A cellRun is one Request being answered.
type cellRun struct {
	find  func(id string) (scenarios.Row, bool)
	state func(when string) *guestproto.State
	lock  func([]lockdown.Write) error
	// counts is takeCounts.
	counts func() ([]scenarios.Check, bool, error)
	mutate func(command string) error
	// prepare runs a probe's Before; probe then runs the rest.
	prepare func(row scenarios.Row, req guestproto.Request)
	// The child of the last probe lives until release: its observation is
	// sent first.
	probe   func(ctx context.Context, row scenarios.Row, req guestproto.Request) (comm string, r scenarios.Result)
	release func()
	play    func([]lockdown.Op) iter.Seq[lockdown.Op]
	now     func() time.Duration // as the kernel's log counts
	sleep   func(context.Context, time.Duration)

	g     *guest
	out   io.Writer
	seq   int
	errs  []string         // said in the next state
	marks []scenarios.Mark // said in the next state

	counting bool              // this kernel counts its checks
	counted  []scenarios.Check // not reported yet
	early    []record          // denials logged before the lock
	lines    []string          // denial lines of the boot, said in the next state
}

// newCellRun is a run on this machine.
func newCellRun(g *guest, out io.Writer) *cellRun {
	prepared := map[string]*worker{}
	release := func() {}
	prober := func(req guestproto.Request) prober {
		return prober{g.children, g.dir, req.Scale, scenarios.Env{Setting: req.Setting, Interface: req.Interface}}
	}
	return &cellRun{
		find: scenarios.Find, state: readState, lock: lock, play: scenarios.RunSequence, now: uptime, sleep: sleep, counts: takeCounts,
		mutate: func(command string) error { return writeWhole(mutateFile, command) },
		prepare: func(row scenarios.Row, req guestproto.Request) {
			// What goes wrong here goes wrong for the rest, too.
			if w, err := g.worker(); err == nil {
				prepared[row.ID] = w
				prober(req).prepare(w, row.ID)
			}
		},
		release: func() { release() },
		probe: func(ctx context.Context, row scenarios.Row, req guestproto.Request) (string, scenarios.Result) {
			release()
			var err error
			w := prepared[row.ID]
			if delete(prepared, row.ID); w == nil {
				if row.Setup != nil {
					return "", failed("what comes before the lock was not done: no child, or a second run")
				}
				if w, err = g.worker(); err != nil {
					return "", failed(err.Error())
				}
			}
			p := prober(req)
			release = func() {
				p.end(w)
				release = func() {}
			}
			return w.comm, p.give(ctx, w, row.ID)
		},
		g: g, out: out,
	}
}

// uptime is the clock of the kernel's log.
func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock is there and ts is ours
	return time.Duration(ts.Nano())
}

// sleep waits, but no longer than ctx lasts.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// errOff is what answer gives where the host is done with this guest.
var errOff = errors.New("power off")

// answer reads a request and streams its frames. An error is one of the
// stream: what is wrong with the request or the guest is a frame.
func (r *cellRun) answer(ctx context.Context, in io.Reader) error {
	r.g.cell.Lock()
	defer r.g.cell.Unlock()
	defer func() { r.release() }() // also where a run ends before its time
	var req guestproto.Request
	if err := vport.Read(in, &req); err != nil {
		return r.send(guestproto.Frame{Error: fmt.Sprintf("read request: %v", err)})
	}
	if req.Off {
		return errOff
	}
	if req.Version != vport.Version {
		return r.send(guestproto.Frame{Error: fmt.Sprintf("request has version %d, guest %d", req.Version, vport.Version)})
	}
	if req.Scale <= 0 {
		req.Scale = 1
	}
	rows := make([]scenarios.Row, len(req.Probes))
	for i, id := range req.Probes {
		var ok bool
		if rows[i], ok = r.find(id); !ok {
			return r.send(guestproto.Frame{Error: fmt.Sprintf("unknown probe %q", id)})
		}
	}
	writes, err := req.Setting.Writes(req.Interface)
	if err != nil {
		return r.send(guestproto.Frame{Error: err.Error()})
	}
	if err := lockdown.CheckSequence(req.Sequence); err != nil {
		return r.send(guestproto.Frame{Error: err.Error()})
	}
	r.errs = r.g.bootErrors
	r.marks = r.g.marks
	if req.Timing {
		r.marks = append(bootMarks(), r.marks...)
	}
	r.takeBoot()
	if err := r.sendState(guestproto.WhenBoot); err != nil {
		return err
	}
	if req.Mutant != "" {
		if err := r.mutate(req.Mutant); err != nil {
			return r.send(guestproto.Frame{Error: err.Error()})
		}
	}
	for _, row := range rows {
		if row.Setup != nil {
			if r.paced(row, req) { // locked at boot, it is refused now
				r.sleep(ctx, r.g.limit.wait(r.now(), row.Lines))
			}
			r.prepare(row, req)
			records, _ := r.readLog()
			r.early = append(r.early, records...)
		}
	}
	if err := r.lock(writes); err != nil {
		return r.send(guestproto.Frame{Error: err.Error()})
	}
	if err := r.sendState(guestproto.WhenLocked); err != nil {
		return err
	}
	for _, row := range rows {
		o := r.observe(ctx, row, req)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.send(guestproto.Frame{Observation: &o}); err != nil {
			return err
		}
		r.release()
	}
	for step := range r.play(req.Sequence) {
		if err := r.send(guestproto.Frame{Step: &step}); err != nil {
			return err
		}
	}
	if err := r.sendState(guestproto.WhenEnd); err != nil {
		return err
	}
	return r.send(guestproto.Frame{End: &guestproto.End{Observations: len(rows), Steps: len(req.Sequence)}})
}

// takeBoot takes what the kernel counted and logged until now, or what was
// taken before this guest was forked.
func (r *cellRun) takeBoot() {
	if t := r.g.taken; t != nil {
		r.g.taken = nil
		r.counting, r.counted, r.lines, r.errs = t.counting, t.counted, t.lines, append(r.errs, t.errs...)
		return
	}
	if r.takeCounts(); r.counting {
		r.g.skipLog() // it says no more than the counters
		return
	}
	records, _ := r.readLog()
	for _, rec := range records {
		if isDenial(rec.text) && len(r.lines) < maxLogLines {
			r.lines = append(r.lines, rec.text[:min(len(rec.text), maxLogLine)])
		}
	}
}

// takeCounts keeps what the kernel counted until it is reported.
func (r *cellRun) takeCounts() {
	checks, ok, err := r.counts()
	if err != nil {
		r.errs = append(r.errs, err.Error())
	}
	r.counting = ok
	r.counted = append(r.counted, checks...)
}

// countedFor takes what was counted for the comm.
func (r *cellRun) countedFor(comm string) (checks []scenarios.Check) {
	var rest []scenarios.Check
	for _, c := range r.counted {
		if c.Comm == comm {
			checks = append(checks, c)
		} else {
			rest = append(rest, c)
		}
	}
	r.counted = rest
	return checks
}

// observe runs a probe. Where only the kernel's log says what was denied, it
// waits until the kernel would print a line, and a denial whose line may have
// been held back is observed again.
func (r *cellRun) observe(ctx context.Context, row scenarios.Row, req guestproto.Request) scenarios.Observation {
	o := scenarios.Observation{Probe: row.ID}
	gated := row.Expect == scenarios.Checked || row.Expect == scenarios.Gap
	for o.Runs < maxRuns {
		if !r.counting {
			r.readLog() // what came before is not this probe's
		}
		if r.paced(row, req) {
			r.sleep(ctx, r.g.limit.wait(r.now(), row.Lines))
		}
		o.Runs++
		begin := time.Now()
		o.Comm, o.Result = r.probe(ctx, row, req)
		o.StartNS = begin.Sub(r.g.started).Nanoseconds()
		o.Duration = time.Since(begin).Nanoseconds()
		records, cut := r.readLog()
		o.Log = naming(append(slices.Clip(r.early), records...), o.Comm)
		if r.counting {
			r.takeCounts()
			o.Checks = r.countedFor(o.Comm)
			break
		}
		hidden := cut || r.g.limit.full(r.now())
		if !gated || row.Setup != nil || o.Outcome != scenarios.Denied || len(o.Log) > 0 || !hidden || ctx.Err() != nil {
			break
		}
		r.sleep(ctx, r.g.limit.wait(r.now(), row.Lines))
	}
	return o
}

// paced reports whether a probe waits until the kernel would print its line.
func (r *cellRun) paced(row scenarios.Row, req guestproto.Request) bool {
	gated := row.Expect == scenarios.Checked || row.Expect == scenarios.Gap
	return gated && !r.counting && len(row.Refusing(req.Setting)) > 0 && !row.DeniedAtBoot(req.Setting)
}

// readLog takes in what the kernel logged since the last call.
func (r *cellRun) readLog() (records []record, cut bool) {
	records, cut, err := r.g.log()
	if err != nil && !r.g.logOnce {
		r.g.logOnce = true
		r.errs = append(r.errs, err.Error())
	}
	for _, rec := range records {
		if isDenial(rec.text) {
			r.g.limit.printed(rec.at)
		}
	}
	return records, cut
}

func (r *cellRun) sendState(when string) error {
	s := r.state(when)
	s.Errors, s.Marks, s.Log, s.Counts = append(s.Errors, r.errs...), r.marks, r.lines, r.counting
	r.errs, r.marks, r.lines = nil, nil, nil
	if when != guestproto.WhenLocked { // what children were counted for meanwhile is for their observations
		s.Checks = r.counted[:min(len(r.counted), maxChecks)]
		r.counted = nil
	}
	return r.send(guestproto.Frame{State: s})
}

func (r *cellRun) send(f guestproto.Frame) error {
	f.Seq = r.seq
	r.seq++
	return vport.Write(r.out, &f)
}
