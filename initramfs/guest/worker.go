package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/internal/wire"
	"github.com/ldlab/ldlab/scenarios"
)

// A worker is a child process that waits for its one job.
type worker struct {
	comm    string // under which the kernel's log knows it
	pid     int
	done    <-chan syscall.WaitStatus
	pipes   *pipes
	greeted bool   // it is up: its first byte came
	handed  bool   // it has its job
	over    string // how it ended; empty: not known yet
}

// program is this program: by its own name where that is known.
var program = "/proc/self/exe"

// warmArg tells a child that it has time until there is a job for it.
const warmArg = "warm"

// startWorker starts a child under the comm. dir is for its name, a tmpfs.
//
// The child is this program, executed through a link that is named comm: exec
// takes the comm from the path's last element, so that all threads of the
// child have it from their first instruction.
func startWorker(c *children, dir, comm string, args ...string) (*worker, error) {
	link := filepath.Join(dir, comm)
	if err := os.Symlink(program, link); err != nil {
		return nil, fmt.Errorf("name child: %w", err)
	}
	defer os.Remove(link)
	pipes, err := newPipes()
	if err != nil {
		return nil, err
	}
	w := &worker{comm: comm, pipes: pipes}
	w.pid, w.done, err = c.start(link, append([]string{childName, comm}, args...), &syscall.ProcAttr{
		Dir: "/",
		// Too short a life to collect garbage in. And no signals between the
		// threads: they would interrupt the system calls that are the probe.
		Env:   []string{"PATH=/bbin:/bin", "GOGC=off", "GODEBUG=asyncpreemptoff=1"},
		Files: pipes.childFiles(),
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	pipes.closeChild()
	if err != nil {
		pipes.close()
		return nil, err
	}
	return w, nil
}

// greet waits until the child is up.
func (w *worker) greet(from io.Reader) error {
	if w.greeted {
		return nil
	}
	var b [1]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return err
	}
	w.greeted = true
	return nil
}

// hand gives the child its job.
func (w *worker) hand(j job, from io.Reader) error {
	if w.handed {
		return nil
	}
	w.handed = true
	_, err := io.WriteString(w.pipes.job, j.String())
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
	return vport.Read(from, (*wire.Result)(r))
}

// end kills the child and its process group, waits until it is gone, and says
// how it ended.
func (w *worker) end(linger time.Duration) string {
	if w.over != "" {
		return w.over
	}
	_ = syscall.Kill(-w.pid, syscall.SIGKILL) // ESRCH: all gone
	select {
	case status := <-w.done:
		w.over = describe(status)
	case <-time.After(linger):
		w.over = "it survives SIGKILL"
	}
	return w.over
}

// workersArg is the kernel argument that says how many children are to wait
// before the guest is ready. A guest that is going to be forked has them: they
// are started once, and every fork finds them waiting.
const workersArg = "ldlab.workers="

// maxWorkers bounds them: each takes some 2 MiB.
const maxWorkers = 256

// workersWanted reads the number from a kernel command line.
func workersWanted(cmdline string) int {
	n := 0
	for _, arg := range strings.Fields(cmdline) {
		if v, ok := strings.CutPrefix(arg, workersArg); ok {
			n, _ = strconv.Atoi(v) // junk is none
		}
	}
	return max(0, min(n, maxWorkers))
}

// hire starts children that wait, and returns when all are up.
func (g *guest) hire(n int) error {
	for range n {
		w, err := startWorker(g.children, os.TempDir(), g.newComm(), warmArg)
		if err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		g.idle = append(g.idle, w)
	}
	for _, w := range g.idle {
		if err := w.greet(&listener{pipes: w.pipes, ctx: context.Background()}); err != nil {
			return fmt.Errorf("wait for worker: %w", err)
		}
	}
	return nil
}

// newComm is a comm that no child of this boot had.
func (g *guest) newComm() string {
	g.serial++
	return fmt.Sprintf("ldp-%04d", g.serial)
}

// worker gives a child for one probe: one that waits, or a new one.
func (g *guest) worker() (*worker, error) {
	if len(g.idle) > 0 {
		w := g.idle[0]
		g.idle = g.idle[1:]
		return w, nil
	}
	return startWorker(g.children, os.TempDir(), g.newComm())
}
