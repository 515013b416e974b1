package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A guest is the state of this program that lasts from one request to the next.
type guest struct {
	machine    machine
	clock      clock
	started    time.Time
	marks      []scenarios.Mark // of the boot
	bootErrors []string
	portWait   time.Duration // how long the port is waited for; 0: as long as it takes
	children   *children
	dir        string // where children get their names; empty: the root
	off        func() // powers off

	cell      sync.Mutex // held while a cell runs: cells share the kernel's log and its limit
	limit     klog.Limiter
	limits    atomic.Pointer[limits]
	serial    int             // number of the last child, which makes its comm unique in this boot
	ready     []*worker       // preforked, without a job
	elsewhere *worker         // in namespaces of its own; nil: not started
	look      func() []string // reads the footprint; nil: nobody looks what probes leave behind
	boot      *evidence       // drained before this guest was forked; nil: not drained
	logError  bool            // that the log cannot be read has been reported
}

// evidence is what the kernel counted and logged and no frame has carried yet.
type evidence struct {
	counting bool              // this kernel counts its checks
	counted  []scenarios.Check // checks
	lines    []string          // denial lines of the boot
	splats   klog.Splats       // the kernel's reports of its own bugs
	early    []klog.Record     // denials logged before the lock
	errs     []string          // what could not be read
	marks    []scenarios.Mark  // of the boot
}

// A cellRun answers one Request.
type cellRun struct {
	g      *guest
	out    io.Writer
	seq    int // of the next frame
	req    guestproto.Request
	rows   []scenarios.Row  // of the request's probes
	writes []lockdown.Write // lock the request's setting
	setUp  []setUpChild     // an entry a row
	evidence
	aftermath

	machine machine
	find    func(id string) (scenarios.Row, bool)
	runOps  func([]lockdown.Op) iter.Seq[lockdown.Op]
	runRace func(lockdown.Race) lockdown.RaceReport
}

// A setUpChild is the child that ran a row's Setup, or why there is none.
type setUpChild struct {
	child child // nil: the row has no Setup, or act took the child
	err   error
}

// newCellRun prepares to answer one request on out.
func newCellRun(g *guest, out io.Writer) *cellRun {
	return &cellRun{g: g, out: out, machine: g.machine, find: scenarios.Find, runOps: scenarios.RunSequence, runRace: scenarios.RunRace, aftermath: aftermath{read: g.look}}
}

// errOff is returned by answer if the host is done with this guest.
var errOff = errors.New("power off")

// abort is a fault of the request or of the guest. It goes to the host as the
// last frame of the stream.
type abort string

func (a abort) Error() string { return string(a) }

// answer reads a request and streams its frames. A fault of the request or of
// the guest is a frame. An error is one of the stream, of ctx, or errOff.
func (r *cellRun) answer(ctx context.Context, in io.Reader) error {
	r.g.cell.Lock()
	defer r.g.cell.Unlock()
	defer r.closeChildren()
	err := r.readRequest(in)
	if err == nil {
		err = r.reportBoot()
	}
	if err == nil {
		err = r.setup(ctx)
	}
	if err == nil {
		err = r.lock()
	}
	if err == nil {
		err = r.act(ctx)
	}
	if err == nil {
		err = r.end()
	}
	if a, ok := err.(abort); ok {
		return r.send(guestproto.Frame{Error: string(a)})
	}
	return err
}

// readRequest reads a request and checks it.
func (r *cellRun) readRequest(in io.Reader) error {
	if err := vport.Read(in, &r.req); err != nil {
		return abort("read request: " + err.Error())
	}
	if r.req.Off {
		return errOff
	}
	if r.req.Version != vport.Version {
		return abort(fmt.Sprintf("request has version %d, guest %d", r.req.Version, vport.Version))
	}
	r.g.setLimits(r.req.Scale)
	r.rows = make([]scenarios.Row, len(r.req.Probes))
	r.setUp = make([]setUpChild, len(r.req.Probes))
	for i, id := range r.req.Probes {
		var ok bool
		if r.rows[i], ok = r.find(id); !ok {
			return abort(fmt.Sprintf("unknown probe %q", id))
		}
	}
	var err error
	if r.writes, err = r.req.Setting.Writes(r.req.Interface); err != nil {
		return abort(err.Error())
	}
	if err := lockdown.CheckSequence(r.req.Sequence); err != nil {
		return abort(err.Error())
	}
	if err := scenarios.CheckSteps(r.req.Steps); err != nil {
		return abort(err.Error())
	}
	for _, race := range r.req.Races {
		if err := lockdown.CheckRace(race); err != nil {
			return abort(err.Error())
		}
	}
	return nil
}

// reportBoot sends the first state.
func (r *cellRun) reportBoot() error {
	r.errs = slices.Clip(r.g.bootErrors)
	r.marks = r.g.marks
	if r.req.Timing {
		r.marks = append(bootMarks(), r.marks...)
	}
	r.drainBoot()
	return r.sendState(guestproto.WhenBoot)
}

// setup makes the request's mutant and runs the Setups of its probes.
func (r *cellRun) setup(ctx context.Context) error {
	if r.req.Mutant != "" {
		if err := r.machine.write(mutateFile, r.req.Mutant); err != nil {
			return abort(err.Error())
		}
	}
	r.aftermath.start()
	for i, row := range r.rows {
		if row.Setup == nil {
			continue
		}
		if r.paced(row) { // a Setup is refused now if the setting was locked at boot
			r.pace(ctx, row)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s := &r.setUp[i]
		if s.child, s.err = r.machine.child(row.ID, taskAct, &r.req); s.err == nil {
			s.child.setup(ctx)
		}
		records, _ := r.readLog()
		r.early = append(r.early, records...)
		r.afterSetup(i)
	}
	return nil
}

// lock does the writes of a setting that is delivered at run time, each as one
// write(2), because the kernel takes a whole command at a time. What the kernel
// refuses is in the state: that the setting is not in force is a verdict.
func (r *cellRun) lock() error {
	for _, w := range r.writes {
		if err := r.machine.write(w.File, w.Data); err != nil {
			r.errs = append(r.errs, guestproto.LockFailed+err.Error())
			break
		}
	}
	if len(r.writes) > 0 {
		r.aftermath.start()
	}
	return r.sendState(guestproto.WhenLocked)
}

// act runs the probes, then the sequence and the races. An observation is sent before its
// child is closed, because the host waits for it.
func (r *cellRun) act(ctx context.Context) error {
	deferred := 0 // rows before it have run their variants
	for i, row := range r.rows {
		if row.AltersLock && !r.counting { // the others' variants must run before it
			if err := r.varyLate(ctx, deferred, i); err != nil {
				return err
			}
			deferred = i
		}
		if err := r.actOn(ctx, i); err != nil {
			return err
		}
	}
	if !r.counting {
		if err := r.varyLate(ctx, deferred, len(r.rows)); err != nil {
			return err
		}
	}
	for op := range r.runOps(r.req.Sequence) {
		if err := r.send(guestproto.Frame{Op: &op}); err != nil {
			return err
		}
	}
	for _, race := range r.req.Races {
		report := r.runRace(race)
		if err := r.send(guestproto.Frame{Race: &report}); err != nil {
			return err
		}
	}
	return nil
}

// actOn runs one probe, and on a kernel that counts, its variants, and looks what
// it left behind.
func (r *cellRun) actOn(ctx context.Context, i int) error {
	if err := r.actAndVary(ctx, i); err != nil {
		return err
	}
	return r.lookAfter(i)
}

func (r *cellRun) actAndVary(ctx context.Context, i int) error {
	o, c := r.observe(ctx, i)
	if c != nil {
		defer c.close()
	}
	err := ctx.Err()
	if err == nil {
		err = r.send(guestproto.Frame{Observation: &o})
	}
	if err != nil || c == nil || r.taskOf(i) != taskActVary {
		return err
	}
	err = r.sendVariants(ctx, i, c)
	r.drainCounts()
	r.checksOf(c.comm()) // of the variants
	return err
}

// varyLate runs the variants of some rows. On a kernel that does not count, each
// denial takes a line of the few that it logs in 5 s. The acts are over by then
// and have their lines.
func (r *cellRun) varyLate(ctx context.Context, from, to int) error {
	for i := from; i < to; i++ {
		if !r.varies(i) {
			continue
		}
		c, err := r.machine.child(r.rows[i].ID, taskVary, &r.req)
		if err != nil {
			return abort(err.Error())
		}
		err = r.sendVariants(ctx, i, c)
		c.close()
		if err == nil {
			err = r.lookAfter(i)
		}
		if err != nil {
			return err
		}
	}
	r.readLog()
	return nil
}

// sendVariants has a child run a row's variants and sends them.
func (r *cellRun) sendVariants(ctx context.Context, i int, c child) error {
	v := guestproto.Varied{Probe: r.rows[i].ID, Variants: append(c.vary(ctx), r.varyElsewhere(ctx, i)...)}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.send(guestproto.Frame{Varied: &v})
}

// varyElsewhere runs those of a row's variants that are done in other namespaces.
func (r *cellRun) varyElsewhere(ctx context.Context, i int) []scenarios.Variant {
	c, err := r.machine.child(r.rows[i].ID, taskElsewhere, &r.req)
	if err != nil {
		return []scenarios.Variant{failed(err.Error()).Vary("all variants in other namespaces")}
	}
	defer c.close()
	list := c.vary(ctx)
	if r.counting {
		r.drainCounts()
		r.checksOf(c.comm())
	}
	return list
}

// varies reports whether a row's variants run.
func (r *cellRun) varies(i int) bool { return !r.req.ActsOnly && r.rows[i].Varies(r.req.Setting) }

// taskOf is what the child of a row does.
func (r *cellRun) taskOf(i int) task {
	if r.counting && r.varies(i) {
		return taskActVary
	}
	return taskAct
}

// end sends the last state and closes the stream.
func (r *cellRun) end() error {
	r.readLog() // what came after the last act
	if err := r.sendState(guestproto.WhenEnd); err != nil {
		return err
	}
	return r.send(guestproto.Frame{End: &guestproto.End{Observations: len(r.rows), Ops: len(r.req.Sequence)}})
}

// closeChildren closes the children that ran a Setup and whose probe has not
// acted: the run has ended before its time, and the guest may get another one.
func (r *cellRun) closeChildren() {
	r.g.leaveElsewhere()
	for i := range r.setUp {
		if c := r.setUp[i].child; c != nil {
			r.setUp[i].child = nil
			c.close()
		}
	}
}

// sendState sends the kernel's state with the evidence that is kept.
func (r *cellRun) sendState(when string) error {
	s := r.machine.state(when)
	s.Errors, s.Marks, s.Log, s.Counts = append(s.Errors, r.errs...), r.marks, r.lines, r.counting
	if when != guestproto.WhenEnd || r.splats.Reported() {
		s.Splats = nil // what the state shows of a report is for one whose line was lost
	}
	s.Splats = append(r.splats.Take(), s.Splats...)
	r.errs, r.marks, r.lines = nil, nil, nil
	if when != guestproto.WhenLocked { // checks before this state belong to the boot or to Setups
		s.Checks = r.counted[:min(len(r.counted), maxChecks)]
		r.counted = nil
	}
	return r.send(guestproto.Frame{State: s})
}

// send sends one frame.
func (r *cellRun) send(f guestproto.Frame) error {
	f.Seq = r.seq
	r.seq++
	return vport.Write(r.out, &f)
}
