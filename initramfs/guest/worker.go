package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/scenarios"
)

// A worker is a child process that gets one job, or, in namespaces of its own, one
// after another.
type worker struct {
	name       string // its comm, under which the kernel logs and counts it
	link       string // the file that it was executed by; empty: removed
	process    *process
	of         *children
	pipes      *pipes
	unready    bool   // it will signal that it is ready, and has not been heard yet
	sent       bool   // it has its job
	exitReason string // how it ended; empty: not known yet
	stuck      bool   // the kernel does not let go of it: it is not waited for
}

// program is the path of this program, which the kernel gave to PID 1.
var program = "/proc/self/exe"

// preforkArg has a child rehearse until it gets a job, and signal that it is
// ready. Other children do not signal: that would cost two context switches,
// about 1 ms each in an emulated guest.
const preforkArg = "prefork"

// elsewhereArg has a child start in namespaces of its own.
const elsewhereArg = "elsewhere"

// startWorker starts a child under the comm. Its name is made in dir.
//
// The child is this program, executed through a link that is named comm: exec
// takes the comm from the path's last element, so all threads of the child have
// it from their first instruction.
func startWorker(c *children, dir, comm string, args ...string) (*worker, error) {
	w := &worker{name: comm, link: dir + "/" + comm, of: c, unready: slices.Contains(args, preforkArg)}
	if err := unix.Symlink(program, w.link); err != nil {
		return nil, fmt.Errorf("name child: symlink %s: %w", w.link, err)
	}
	// A leader of a session has a process group of its own, and may have a
	// controlling terminal.
	attr := &syscall.SysProcAttr{Setsid: true}
	if slices.Contains(args, elsewhereArg) {
		attr.Cloneflags = scenarios.NamespaceFlags()
	}
	var err error
	if w.pipes, err = newPipes(); err != nil {
		w.unlink()
		return nil, err
	}
	w.process, err = c.start(w.link, append([]string{childName, comm}, args...), &syscall.ProcAttr{
		// A child lives too briefly to collect garbage. Signals between its
		// threads would interrupt the system calls of the probe.
		Env:   []string{"PATH=/bbin:/bin", "GOGC=off", "GODEBUG=asyncpreemptoff=1"},
		Files: w.pipes.childFiles(),
		Sys:   attr,
	}, true)
	w.pipes.closeChild()
	if err != nil {
		w.pipes.close()
		w.unlink()
		return nil, err
	}
	return w, nil
}

// unlink removes the file that the child was executed by. Nothing needs it
// after exec, but removing it can wait until the result is sent.
func (w *worker) unlink() {
	if w.link != "" {
		_ = unix.Unlink(w.link)
		w.link = ""
	}
}

// waitReady waits until the child signals that it is ready, if it does so.
func (w *worker) waitReady(from io.Reader) error {
	if !w.unready {
		return nil
	}
	var b [1]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return err
	}
	w.unready = false
	return nil
}

// send sends the child its job, once.
func (w *worker) send(j job, from io.Reader) error {
	if w.sent {
		return nil
	}
	w.sent = true
	_, err := w.pipes.job.Write([]byte(j.String()))
	if err == nil {
		err = w.waitReady(from)
	}
	return err
}

// setup sends the child its job and returns when it has run the probe's Setup.
func (w *worker) setup(j job, from io.Reader) error {
	if err := w.send(j, from); err != nil {
		return err
	}
	var b [1]byte
	_, err := io.ReadFull(from, b[:])
	return err
}

// result lets the child act and reads the result. io.EOF means that the child
// ended without one.
func (w *worker) result(j job, from io.Reader, r *scenarios.Report) error {
	err := w.send(j, from)
	if j.task == taskAct {
		w.pipes.job.close() // a Setup's second half starts now
	}
	if err != nil {
		return err
	}
	return vport.Read(from, (*guestproto.Report)(r))
}

// variants lets the child run its variants and reads them.
func (w *worker) variants(j job, from io.Reader) ([]scenarios.Variant, error) {
	err := w.send(j, from)
	if j.task != taskElsewhere {
		w.pipes.job.close() // the variants start now
	}
	if err != nil {
		return nil, err
	}
	var v guestproto.Varied
	err = vport.Read(from, &v)
	return v.Variants, err
}

// end kills the child and its process group, waits until the child is gone, and
// returns how it ended.
func (w *worker) end(atMost time.Duration) string {
	if w.exitReason != "" {
		return w.exitReason
	}
	w.kill()
	w.unlink()
	if w.exitReason = "it survives SIGKILL"; !w.stuck && w.of.wait(w.process, atMost) {
		w.exitReason = describe(w.process.status)
	} else {
		w.of.stuck = true
	}
	return w.exitReason
}

// kill kills the child and its process group. If the child was reaped, its
// group was killed then.
func (w *worker) kill() { w.of.signal(w.process, syscall.SIGKILL) }

// workersWanted returns the value of guestproto.ArgWorkers on a kernel command
// line. A value that is no number counts as 0.
func workersWanted(cmdline string) int {
	_, n, _ := strings.Cut(" "+cmdline, " "+guestproto.ArgWorkers)
	n, _, _ = strings.Cut(strings.TrimSpace(n), " ")
	wanted, _ := strconv.Atoi(n)
	return max(0, min(wanted, guestproto.MaxWorkers))
}

// prefork starts n children that wait for a job, and returns when each is ready
// or has ended. A later probe without a ready child starts one, also if the
// guest's memory is not enough for n. The error is the first one.
func (g *guest) prefork(ctx context.Context, n int) (first error) {
	var started []*worker
	for range n {
		if free, ok := freeMemory(); ok && free < reservedMemory {
			break
		}
		w, err := startWorker(g.children, g.dir, g.newComm(), preforkArg)
		if err != nil {
			first = fmt.Errorf("prefork child: %w", err)
			break
		}
		started = append(started, w)
	}
	for _, w := range started {
		if err := w.waitReady(&listener{pipes: w.pipes, ctx: ctx}); err != nil {
			if first == nil {
				first = fmt.Errorf("prefork child: wait until it is ready: %w", err)
			}
			w.end(g.currentLimits().gone)
			w.pipes.close()
			continue
		}
		w.unlink() // now, and not in every fork
		g.ready = append(g.ready, w)
	}
	return first
}

// reservedMemory is what preforked children leave free, in bytes. Without it the
// kernel's OOM killer takes some of them, and their probes would have no result.
const reservedMemory = 96 << 20

// freeMemory is the kernel's MemAvailable, in bytes.
func freeMemory() (n int64, ok bool) {
	text, err := readBounded("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	return parseFree(text)
}

func parseFree(meminfo string) (n int64, ok bool) {
	_, rest, found := strings.Cut(meminfo, "MemAvailable:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	return n << 10, found && err == nil
}

// newComm returns a comm that no child of this boot had: ldp-0001 and so on.
func (g *guest) newComm() string {
	g.serial++
	n := strconv.Itoa(g.serial)
	return "ldp-" + "0000"[min(4, len(n)):] + n
}

// worker returns a child without a job: a preforked one, or a new one.
func (g *guest) worker() (*worker, error) {
	if len(g.ready) > 0 {
		w := g.ready[0]
		g.ready = g.ready[1:]
		return w, nil
	}
	return startWorker(g.children, g.dir, g.newComm())
}

// elsewhereWorker returns the guest's child in namespaces of its own, which it
// starts at first and if the one before has ended. A process for each probe would
// cost as much as the probe: making a network namespace alone takes long.
func (g *guest) elsewhereWorker() (w *worker, err error) {
	if g.elsewhere != nil && g.elsewhere.exitReason == "" {
		g.elsewhere.sent = false // its next job
		return g.elsewhere, nil
	}
	g.elsewhere, err = startWorker(g.children, g.dir, g.newComm(), elsewhereArg)
	return g.elsewhere, err
}

// leaveElsewhere ends the child in namespaces of its own.
func (g *guest) leaveElsewhere() {
	if g.elsewhere != nil {
		g.elsewhere.end(g.currentLimits().gone)
		g.elsewhere.pipes.close()
		g.elsewhere = nil
	}
}
