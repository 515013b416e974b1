package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A command is a peer's, or a compiler's.
type command struct {
	argv  []string
	dir   string
	env   []string      // nil: ours
	limit time.Duration // of the whole
}

// Limits, for what ought to take far less.
const (
	buildTimeout = 5 * time.Minute
	peerTimeout  = 5 * time.Minute
)

// run runs a command to its end and gives what it said. Peers start processes
// of their own: all of them are in one group, and none is left behind.
func run(ctx context.Context, c command) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("no end after %s", c.limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever outlived the command; mostly nobody
	}
	name := filepath.Base(c.argv[0])
	switch {
	case err == nil:
		return said.String(), nil
	case ctx.Err() != nil:
		return said.String(), fmt.Errorf("run %s: %w", name, context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("run %s: not installed", name)
	}
	return said.String(), fmt.Errorf("run %s: %w: %s", name, err, lastWords(said.String()))
}

// timed is how long a command took, where want stands in what it said.
func timed(ctx context.Context, c command, want string) (float64, error) {
	start := time.Now()
	said, err := run(ctx, c)
	took := time.Since(start).Seconds()
	if err == nil && !strings.Contains(said, want) {
		err = fmt.Errorf("run %s: %q is not in its answer: %s", filepath.Base(c.argv[0]), want, lastWords(said))
	}
	return took, err
}

// lastWords are the last lines of a text, for an error.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
