package main

import (
	"context"
	"slices"
	"time"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/scenarios"
)

// maxRuns bounds how often one probe is observed.
const maxRuns = 3

// observe runs a probe and collects what the kernel counted or logged about
// it. If the log is the only evidence, it first waits until the kernel's limit
// allows another line, and it repeats a denial whose line may have been
// suppressed; not one of an act that happened all the same, which the next run
// might not show. The caller closes the child, which is nil if none could start.
func (r *cellRun) observe(ctx context.Context, i int) (o scenarios.Observation, c child) {
	row := r.rows[i]
	o.Probe = row.ID
	for o.Runs < maxRuns {
		if !r.counting {
			r.readLog() // earlier lines are not this probe's
		}
		if r.paced(row) {
			r.pace(ctx, row)
		}
		o.Runs++
		begin, jiffies := time.Now(), r.g.clock.now()
		if c != nil {
			c.close() // of the run before
		}
		o.Comm = ""
		var failure scenarios.Report
		if c, failure = r.childOf(i); c == nil {
			o.Report = failure
		} else {
			o.Comm, o.Report = c.comm(), c.act(ctx)
		}
		o.StartNS = begin.Sub(r.g.started).Nanoseconds()
		o.Duration = time.Since(begin).Nanoseconds()
		records, cut := r.readLog()
		o.Log = klog.Naming(append(slices.Clip(r.early), records...), o.Comm)
		// The limit is asked as of the beginning: on a slow machine lines that
		// took it may be too old by now. A Setup may have been denied long before.
		suppressed := cut || r.g.limit.Full(jiffies)
		o.LogWhole = !suppressed && row.Setup == nil
		if r.counting {
			r.drainCounts()
			o.Checks = r.checksOf(o.Comm)
			break
		}
		if !checked(row) || row.Setup != nil || o.Outcome != scenarios.Denied || o.Effect == scenarios.Happened || len(o.Log) > 0 || !suppressed || ctx.Err() != nil {
			break
		}
		r.pace(ctx, row)
	}
	return o, c
}

// childOf returns the child for a row: the one that ran its Setup, or a new
// one. If there is none, the result is the reason.
func (r *cellRun) childOf(i int) (child, scenarios.Report) {
	s := &r.setUp[i]
	c, err := s.child, s.err
	s.child = nil
	if c == nil && err == nil && r.rows[i].Setup == nil {
		c, err = r.machine.child(r.rows[i].ID, r.taskOf(i), &r.req)
	}
	switch {
	case err != nil:
		return nil, failed(err.Error())
	case c == nil:
		return nil, failed("setup was not run") // cannot happen: a probe with a Setup is observed once
	}
	return c, scenarios.Report{}
}

// checked reports whether lockdown may check the probe, so that a denial logs a line.
func checked(row scenarios.Row) bool {
	return row.Expect == scenarios.Checked || row.Expect == scenarios.Gap
}

// paced reports whether a probe waits until the kernel's limit allows its lines.
func (r *cellRun) paced(row scenarios.Row) bool {
	return checked(row) && !r.counting && len(row.Refusing(r.req.Setting)) > 0 && !row.DeniedAtBoot(r.req.Setting)
}

// pace sleeps until the kernel's limit allows the probe's lines. Jiffies may be
// slower than the clock that it sleeps by.
func (r *cellRun) pace(ctx context.Context, row scenarios.Row) {
	for ctx.Err() == nil {
		d := r.g.limit.Wait(r.g.clock.now(), row.Lines)
		if d <= 0 {
			return
		}
		r.g.clock.sleep(ctx, d)
	}
}

// drainBoot takes what the kernel counted and logged of the boot, or what was
// drained before this guest was forked.
func (r *cellRun) drainBoot() {
	if b := r.g.boot; b != nil {
		r.g.boot = nil
		r.counting, r.counted, r.lines, r.errs = b.counting, b.counted, b.lines, append(r.errs, b.errs...)
		r.splats = b.splats
		return
	}
	records, _ := r.readLog()
	if r.drainCounts(); r.counting {
		return // the counters have every denial that the log has
	}
	for _, rec := range records {
		if klog.IsDenial(rec.Text) && len(r.lines) < klog.MaxLogLines {
			r.lines = append(r.lines, rec.Text[:min(len(rec.Text), klog.MaxLogLine)])
		}
	}
}

// drainCounts moves the kernel's counts to the evidence.
func (r *cellRun) drainCounts() {
	checks, ok, err := r.machine.drainCounts()
	if err != nil {
		r.errs = append(r.errs, err.Error())
	}
	r.counting = ok
	r.counted = append(r.counted, checks...)
}

// checksOf removes the comm's checks from the evidence and returns them.
func (r *cellRun) checksOf(comm string) (checks []scenarios.Check) {
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

// readLog returns what the kernel logged since the last call, and counts the
// denial lines for the limit. If the log was cut, denial lines that were lost have
// taken some of the limit, perhaps all: a probe that has the kernel dump its state
// fills the log, and the probes after it must not be told that there is room.
func (r *cellRun) readLog() (records []klog.Record, cut bool) {
	records, cut, err := r.machine.Read()
	if err != nil && !r.g.logError {
		r.g.logError = true
		r.errs = append(r.errs, err.Error())
	}
	jiffies := r.g.clock.now()
	if cut {
		r.g.limit.Exhaust(jiffies)
	}
	for _, rec := range records {
		r.splats.Look(rec)
		if klog.IsDenial(rec.Text) {
			r.g.limit.Printed(jiffies)
		}
	}
	return records, cut
}
