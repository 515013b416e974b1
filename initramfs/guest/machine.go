package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/scenarios"
)

// A machine is everything outside this program that a cell reads or changes.
type machine interface {
	// state reads what the kernel reports about itself. What cannot be read is
	// in the state's Errors.
	state(when string) *guestproto.State

	// write does one write(2) of a whole command to a file.
	write(file, data string) error

	// drainCounts reads the kernel's counters and resets them. ok is false if
	// the kernel does not count.
	drainCounts() (checks []scenarios.Check, ok bool, err error)

	// Read returns what was logged since the last call; cut is true if
	// records were overwritten before they could be read.
	Read() (records []klog.Record, cut bool, err error)

	// child starts a child for one task with a probe.
	child(probe string, t task, req *guestproto.Request) (child, error)
}

// A child is a process for one run of one probe. The caller closes it.
type child interface {
	// comm is the name under which the kernel logs and counts the child.
	comm() string

	// setup runs the probe's Setup and returns when it is done. If it fails,
	// act returns why.
	setup(ctx context.Context)

	// act runs the probe, or what is left of it after setup. Whatever becomes
	// of the child is a result.
	act(ctx context.Context) scenarios.Report

	// vary runs the probe's variants, after act if the child's task has one.
	// Whatever becomes of the child is a result.
	vary(ctx context.Context) []scenarios.Variant

	// close kills the child and its process group, waits for its end, and
	// frees its descriptors.
	close()
}

// A clock is the clock of the kernel's limits on its log: jiffies.
type clock interface {
	now() time.Duration
	sleep(ctx context.Context, d time.Duration) // no longer than ctx lasts
}

// A realMachine is the machine that this program runs in.
type realMachine struct {
	*klog.Reader
	g *guest
}

func (*realMachine) state(when string) *guestproto.State { return readState(when) }

func (*realMachine) write(file, data string) error { return writeWhole(file, data) }

func (*realMachine) drainCounts() ([]scenarios.Check, bool, error) { return drainCounts() }

func (m *realMachine) child(probe string, t task, req *guestproto.Request) (child, error) {
	take := m.g.worker
	if t == taskElsewhere {
		take = m.g.elsewhereWorker
	}
	w, err := take()
	if err != nil {
		return nil, err
	}
	return newProbeChild(w, probe, t, m.g.currentLimits(), scenarios.Env{Setting: req.Setting, Interface: req.Interface, Steps: req.Steps}), nil
}

// A kernelClock reads jiffies.
type kernelClock struct{}

// now is jiffies_64, in the unit of times(2) and rounded down (sys_times() in
// kernel/sys.c, v6.12).
func (kernelClock) now() time.Duration {
	var t unix.Tms
	ticks, _ := unix.Times(&t) // cannot fail: t is ours
	return time.Duration(ticks) * klog.Jiffy
}

func (kernelClock) sleep(ctx context.Context, d time.Duration) {
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

// uptime is the time since the kernel started its clock.
func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists and ts is ours
	return time.Duration(ts.Nano())
}
