package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/scenarios"
)

// Deadlines of a probe, before the request's scale. Its context ends first,
// so that it can undo what it did before it is killed.
const (
	probeGivesUp = 8 * time.Second
	probeKilled  = 10 * time.Second
	probeLinger  = 2 * time.Second // for a killed child to be gone
)

// pipesLinger is how long what a failed child said may take to arrive.
const pipesLinger = 100 * time.Millisecond

// A prober runs probes in child processes of their own.
type prober struct {
	children *children
	dir      string // for names
	scale    float64
	env      scenarios.Env
}

func (p prober) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * p.scale) }

// run runs one probe under the comm, in a child that is started for it.
func (p prober) run(ctx context.Context, comm, id string) scenarios.Result {
	w, err := startWorker(p.children, p.dir, comm)
	if err != nil {
		return failed(err.Error())
	}
	defer p.end(w)
	return p.give(ctx, w, id)
}

// prepare has a child do what its probe does before the lock. A child that
// does not come back within its time is left to give, which ends it.
func (p prober) prepare(w *worker, id string) {
	from := &listener{w.pipes, context.Background(), time.Now().Add(p.scaled(probeKilled))}
	if w.prepare(p.job(id), from) != nil {
		w.kill()
	}
}

func (p prober) job(id string) job { return job{id, p.scaled(probeGivesUp), p.env} }

// give has a child run one probe. Whatever becomes of the child is a result.
// The child may live on until end: one that has sent its result has undone what
// it did, and has nothing more to say.
func (p prober) give(ctx context.Context, w *worker, id string) scenarios.Result {
	from := &listener{w.pipes, ctx, time.Now().Add(p.scaled(probeKilled))}
	var r scenarios.Result
	err := w.result(p.job(id), from, &r)
	if err == nil {
		return r
	}
	end := w.end(p.scaled(probeLinger))
	// Whoever left the process group may still hold the pipes.
	from.ctx, from.until = context.Background(), time.Now().Add(pipesLinger)
	from.hearAll()
	switch {
	case errors.Is(err, errLate):
		return failed(fmt.Sprintf("no result within %v: %s", p.scaled(probeKilled), end))
	case errors.Is(err, errCanceled):
		return failed("run canceled: " + end)
	case err == io.EOF:
		return failed(strings.TrimSuffix(fmt.Sprintf("child ended without a result: %s: %.200s", end, w.pipes.firstLine()), ": "))
	}
	return failed(fmt.Sprintf("bad result: %v", err))
}

// end leaves nothing behind of a child and its process group.
func (p prober) end(w *worker) {
	w.end(p.scaled(probeLinger))
	w.pipes.close()
}

// describe says how a process ended, as a shell would.
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + s.Signal().String()
	}
	return fmt.Sprintf("exit %d", s.ExitStatus())
}

// firstLine is the first line of what the child said.
func (p *pipes) firstLine() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(p.head), []byte("\n"))
	return string(line)
}
