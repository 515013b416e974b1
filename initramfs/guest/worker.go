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

// A worker is a child process that waits for its one job.
type worker struct {
	comm    string // under which the kernel's log knows it
	link    string // its name as a file; empty: it has none any more
	process *child
	of      *children
	pipes   *pipes
	greets  bool   // it says when it is up, and has not yet
	handed  bool   // it has its job
	over    string // how it ended; empty: not known yet
}

// program is this program: by its own name where that is known.
var program = "/proc/self/exe"

// warmArg tells a child that it has time until there is a job for it, and has
// it say when it is up. Others do not: to hear of it would be two switches
// between address spaces, each some 1 ms of an emulated guest.
const warmArg = "warm"

// startWorker starts a child under the comm. dir is for its name.
//
// The child is this program, executed through a link that is named comm: exec
// takes the comm from the path's last element, so that all threads of the
// child have it from their first instruction.
func startWorker(c *children, dir, comm string, args ...string) (*worker, error) {
	w := &worker{comm: comm, link: dir + "/" + comm, of: c, greets: slices.Contains(args, warmArg)}
	if err := unix.Symlink(program, w.link); err != nil {
		return nil, fmt.Errorf("name child: symlink %s: %w", w.link, err)
	}
	var err error
	if w.pipes, err = newPipes(); err != nil {
		w.unlink()
		return nil, err
	}
	w.process, err = c.start(w.link, append([]string{childName, comm}, args...), &syscall.ProcAttr{
		// Too short a life to collect garbage in. And no signals between the
		// threads: they would interrupt the system calls that are the probe.
		Env:   []string{"PATH=/bbin:/bin", "GOGC=off", "GODEBUG=asyncpreemptoff=1"},
		Files: w.pipes.childFiles(),
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	w.pipes.closeChild()
	if err != nil {
		w.pipes.close()
		w.unlink()
		return nil, err
	}
	return w, nil
}

// unlink takes the name away that the child was started by. It has no use for
// it any more, but to take it away can wait until its result is sent.
func (w *worker) unlink() {
	if w.link != "" {
		_ = unix.Unlink(w.link)
		w.link = ""
	}
}

// greet waits until the child is up.
func (w *worker) greet(from io.Reader) error {
	if !w.greets {
		return nil
	}
	var b [1]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return err
	}
	w.greets = false
	return nil
}

// hand gives the child its job.
func (w *worker) hand(j job, from io.Reader) error {
	if w.handed {
		return nil
	}
	w.handed = true
	_, err := w.pipes.job.Write([]byte(j.String()))
	if err == nil {
		err = w.greet(from)
	}
	return err
}

// prepare gives the child its job and returns when it has done what comes
// before the lock.
func (w *worker) prepare(j job, from io.Reader) error {
	if err := w.hand(j, from); err != nil {
		return err
	}
	var b [1]byte
	_, err := io.ReadFull(from, b[:])
	return err
}

// result has the child do its job, or the rest of it, and reads the result.
// io.EOF means that the child ended without one.
func (w *worker) result(j job, from io.Reader, r *scenarios.Result) error {
	err := w.hand(j, from)
	w.pipes.job.close() // go
	if err != nil {
		return err
	}
	return vport.Read(from, (*guestproto.Result)(r))
}

// end kills the child and its process group, waits until it is gone, and says
// how it ended.
func (w *worker) end(linger time.Duration) string {
	if w.over != "" {
		return w.over
	}
	w.kill()
	w.unlink()
	if w.over = "it survives SIGKILL"; w.of.wait(w.process, linger) {
		w.over = describe(w.process.status)
	}
	return w.over
}

// kill kills the child and its process group.
func (w *worker) kill() { _ = syscall.Kill(-w.process.pid, syscall.SIGKILL) } // ESRCH: all gone

// workersWanted reads the number from a kernel command line.
func workersWanted(cmdline string) int {
	_, n, _ := strings.Cut(" "+cmdline, " "+guestproto.ArgWorkers)
	n, _, _ = strings.Cut(strings.TrimSpace(n), " ")
	wanted, _ := strconv.Atoi(n) // junk is none
	return max(0, min(wanted, guestproto.MaxWorkers))
}

// hire starts children that wait, and returns when all are up.
func (g *guest) hire(n int) error {
	for range n {
		w, err := startWorker(g.children, g.dir, g.newComm(), warmArg)
		if err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		g.idle = append(g.idle, w)
	}
	for _, w := range g.idle {
		if err := w.greet(&listener{pipes: w.pipes, ctx: context.Background()}); err != nil {
			return fmt.Errorf("wait for worker: %w", err)
		}
		w.unlink() // now, and not in every fork
	}
	return nil
}

// newComm is a comm that no child of this boot had: ldp-0001 and so on.
func (g *guest) newComm() string {
	g.serial++
	n := strconv.Itoa(g.serial)
	return "ldp-" + "0000"[min(4, len(n)):] + n
}

// worker gives a child for one probe: one that waits, or a new one.
func (g *guest) worker() (*worker, error) {
	if len(g.idle) > 0 {
		w := g.idle[0]
		g.idle = g.idle[1:]
		return w, nil
	}
	return startWorker(g.children, g.dir, g.newComm())
}
