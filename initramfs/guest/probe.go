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

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// A probeChild runs one probe in a worker. It is the child of a realMachine.
type probeChild struct {
	worker *worker
	job    job
	limits limits
}

func newProbeChild(w *worker, probe string, t task, l limits, env scenarios.Env) *probeChild {
	return &probeChild{w, job{probe, l.act, env, t}, l}
}

func (c *probeChild) comm() string { return c.worker.name }

// listen reads the child's result and output until its limit is over.
func (c *probeChild) listen(ctx context.Context) *listener {
	return &listener{c.worker.pipes, ctx, time.Now().Add(c.limits.killed)}
}

// setup kills a child that does not finish its Setup in time. act then finds
// that it has ended.
func (c *probeChild) setup(ctx context.Context) {
	if c.worker.setup(c.job, c.listen(ctx)) != nil {
		c.worker.kill()
	}
}

// act returns the child's result. A child that has sent one has undone what it
// did and may live on until close. One that has not is killed.
func (c *probeChild) act(ctx context.Context) scenarios.Report {
	from := c.listen(ctx)
	var r scenarios.Report
	err := c.worker.result(c.job, from, &r)
	if err == nil {
		c.worker.stuck = r.Stuck
		return r
	}
	return c.died(ctx, from, err)
}

// vary returns the variants. If the child fails, the only one is that failure.
func (c *probeChild) vary(ctx context.Context) []scenarios.Variant {
	from := c.listen(ctx)
	list, err := c.worker.variants(c.job, from)
	if err != nil {
		name := "all variants"
		if c.job.task == taskElsewhere {
			name += " in other namespaces"
		}
		return []scenarios.Variant{c.died(ctx, from, err).Vary(name)}
	}
	return list
}

// died ends a child that sent no result and describes why.
func (c *probeChild) died(ctx context.Context, from *listener, err error) scenarios.Report {
	end := c.worker.end(c.limits.gone)
	// A process that has left the group may hold the pipes open, so the end of
	// the output is waited for only so long.
	from.ctx, from.until = context.WithoutCancel(ctx), time.Now().Add(c.limits.output)
	from.drainOutput()
	switch {
	case errors.Is(err, errLate):
		return failed(fmt.Sprintf("no result within %v: %s", c.limits.killed, end))
	case errors.Is(err, errCanceled):
		return failed("run canceled: " + end)
	case errors.Is(err, unix.EPIPE):
		return failed(c.words("child ended before it got its job", end))
	case err == io.EOF:
		return failed(c.words("child ended without a result", end))
	}
	return failed(fmt.Sprintf("bad result: %v", err))
}

// words describe a child that ended: how, and the first line of its output.
func (c *probeChild) words(what, end string) string {
	return strings.TrimSuffix(fmt.Sprintf("%s: %s: %.200s", what, end, c.worker.pipes.firstLine()), ": ")
}

func (c *probeChild) close() {
	if c.job.task == taskElsewhere && c.worker.exitReason == "" {
		return // it gets another probe
	}
	c.worker.end(c.limits.gone)
	c.worker.pipes.close()
}

// describe returns how a process ended, in the words of a shell.
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + s.Signal().String()
	}
	return fmt.Sprintf("exit %d", s.ExitStatus())
}

// firstLine is the first line of the child's output.
func (p *pipes) firstLine() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(p.head), []byte("\n"))
	return string(line)
}
