package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/internal/wire"
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
	log        func() ([]record, bool, error)
	off        func()

	cell    sync.Mutex // one cell at a time: they share the kernel's log and limit
	limit   limiter
	serial  int // of the last probe's child: its comm is its own in this boot
	idle    []*worker
	logOnce bool
}

// A cellRun is one Request being answered.
type cellRun struct {
	find  func(id string) (scenarios.Row, bool)
	state func(when string) *wire.State
	lock  func([]lockdown.Write) error
	probe func(ctx context.Context, row scenarios.Row, req wire.Request) (comm string, r scenarios.Result)
	now   func() time.Duration // as the kernel's log counts
	sleep func(context.Context, time.Duration)

	g     *guest
	out   io.Writer
	seq   int
	errs  []string         // said in the next state
	marks []scenarios.Mark // said in the next state
}

// newCellRun is a run on this machine.
func newCellRun(g *guest, out io.Writer) *cellRun {
	return &cellRun{
		find: scenarios.Find, state: readState, lock: lock, now: uptime, sleep: sleep,
		probe: func(ctx context.Context, row scenarios.Row, req wire.Request) (string, scenarios.Result) {
			w, err := g.worker()
			if err != nil {
				return "", failed(err.Error())
			}
			p := prober{g.children, os.TempDir(), req.Scale, scenarios.Env{Setting: req.Setting, Kind: req.Kind}}
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

// answer reads a request and streams its frames. An error is one of the
// stream: what is wrong with the request or the guest is a frame.
func (r *cellRun) answer(ctx context.Context, in io.Reader) error {
	r.g.cell.Lock()
	defer r.g.cell.Unlock()
	var req wire.Request
	if err := vport.Read(in, &req); err != nil {
		return r.send(wire.Frame{Error: fmt.Sprintf("read request: %v", err)})
	}
	if req.Version != vport.Version {
		return r.send(wire.Frame{Error: fmt.Sprintf("request has version %d, guest %d", req.Version, vport.Version)})
	}
	if req.Scale <= 0 {
		req.Scale = 1
	}
	rows := make([]scenarios.Row, len(req.Probes))
	for i, id := range req.Probes {
		var ok bool
		if rows[i], ok = r.find(id); !ok {
			return r.send(wire.Frame{Error: fmt.Sprintf("unknown probe %q", id)})
		}
	}
	writes, err := req.Setting.Writes(req.Kind)
	if err != nil {
		return r.send(wire.Frame{Error: err.Error()})
	}
	r.errs = r.g.bootErrors
	r.marks = r.g.marks
	if req.Timing {
		r.marks = append(bootMarks(), r.marks...)
	}
	if err := r.sendState("boot"); err != nil {
		return err
	}
	if err := r.lock(writes); err != nil {
		return r.send(wire.Frame{Error: err.Error()})
	}
	if err := r.sendState("locked"); err != nil {
		return err
	}
	for _, row := range rows {
		o := r.observe(ctx, row, req)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.send(wire.Frame{Observation: &o}); err != nil {
			return err
		}
	}
	if err := r.sendState("end"); err != nil {
		return err
	}
	return r.send(wire.Frame{End: &wire.End{Observations: len(rows)}})
}

// observe runs a probe; a denial whose line the kernel may have held back is
// observed again when the kernel would print it.
func (r *cellRun) observe(ctx context.Context, row scenarios.Row, req wire.Request) scenarios.Observation {
	o := scenarios.Observation{Probe: row.ID}
	gated := row.Expect == scenarios.Gated
	for o.Runs < maxRuns {
		r.readLog()
		if gated && req.Setting.Locks(row.Reason) {
			r.sleep(ctx, r.g.limit.wait(r.now(), row.Lines))
		}
		o.Runs++
		begin := time.Now()
		o.Comm, o.Result = r.probe(ctx, row, req)
		o.StartNS = begin.Sub(r.g.started).Nanoseconds()
		o.Duration = time.Since(begin).Nanoseconds()
		records, cut := r.readLog()
		o.Log = naming(records, o.Comm)
		hidden := cut || r.g.limit.full(r.now())
		if !gated || o.Outcome != scenarios.Denied || len(o.Log) > 0 || !hidden || ctx.Err() != nil {
			break
		}
		r.sleep(ctx, r.g.limit.wait(r.now(), row.Lines))
	}
	return o
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
	s.Errors, s.Marks = append(s.Errors, r.errs...), r.marks
	r.errs, r.marks = nil, nil
	return r.send(wire.Frame{State: s})
}

func (r *cellRun) send(f wire.Frame) error {
	f.Seq = r.seq
	r.seq++
	return vport.Write(r.out, f)
}
