package main

import (
	"bytes"
	"context"
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

// maxSaid bounds what is kept of a child's output, in bytes.
const maxSaid = 4 << 10

// A prober runs probes in child processes of their own.
type prober struct {
	children *children
	dir      string // for names: a tmpfs
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
	return p.give(ctx, w, id)
}

// prepare has a child do what its probe does before the lock. A child that
// does not come back within its time is left to give, which ends it.
func (p prober) prepare(w *worker, id string) {
	done := make(chan error, 1)
	go func() { done <- w.prepare(job{id, p.scaled(probeGivesUp), p.env}) }()
	select {
	case <-done:
	case <-time.After(p.scaled(probeKilled)):
		_ = syscall.Kill(-w.pid, syscall.SIGKILL)
		<-done
	}
}

// give has a child run one probe. Whatever becomes of the child is a result,
// and none of its process group is left behind. A child that has sent its
// result is not waited for: it has undone what it did, and has nothing more to
// say.
func (p prober) give(ctx context.Context, w *worker, id string) scenarios.Result {
	defer w.pipes.close()
	var result scenarios.Result
	got := make(chan error, 1)
	said := make(chan string, 1)
	go func() { got <- w.result(job{id, p.scaled(probeGivesUp), p.env}, &result) }()
	go func() { said <- readSaid(w.pipes.said) }()

	deadline := time.NewTimer(p.scaled(probeKilled))
	defer deadline.Stop()
	var why string
	answered := false
	var err error
	select {
	case err = <-got:
		answered = true
	case <-deadline.C:
		why = fmt.Sprintf("no result within %v", p.scaled(probeKilled))
	case <-ctx.Done():
		why = "run canceled"
	}
	_ = syscall.Kill(-w.pid, syscall.SIGKILL) // ESRCH: all gone
	var end string
	select {
	case status := <-w.done:
		end = describe(status)
	case <-time.After(p.scaled(probeLinger)):
		end = "it survives SIGKILL"
	}
	if answered && err == nil {
		w.pipes.expire(time.Now())
		<-said
		return result
	}
	// Whoever left the process group may still hold the pipes.
	w.pipes.expire(time.Now().Add(pipesLinger))
	text := <-said
	if !answered {
		<-got
	}
	switch {
	case why != "":
		return failed(why + ": " + end)
	case err == io.EOF:
		return failed(strings.TrimSuffix(fmt.Sprintf("child ended without a result: %s: %.200s", end, text), ": "))
	}
	return failed(fmt.Sprintf("bad result: %v", err))
}

// describe says how a process ended, as a shell would.
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + s.Signal().String()
	}
	return fmt.Sprintf("exit %d", s.ExitStatus())
}

// readSaid reads all of a child's output, keeps its head, and gives the first
// line of it.
func readSaid(r io.Reader) string {
	head, _ := io.ReadAll(io.LimitReader(r, maxSaid))
	_, _ = io.Copy(io.Discard, r)
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	return string(line)
}
