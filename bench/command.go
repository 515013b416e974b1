package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/proc"
)

// A command runs a peer or a compiler.
type command struct {
	argv  []string
	dir   string
	env   []string      // nil: this process's
	limit time.Duration // of the whole
}

// Limits of commands that take far less.
const (
	buildTimeout = 5 * time.Minute
	peerTimeout  = 5 * time.Minute
)

// run runs a command to its end and returns what it wrote. Peers start processes
// of their own: all of them are in one group, and none is left behind.
func run(ctx context.Context, c command) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("no end after %s", c.limit))
	defer cancel()
	var output bytes.Buffer
	err := proc.Run(ctx, proc.Command{Argv: c.argv, Dir: c.dir, Env: c.env, Stdout: &output, Stderr: &output, Family: true})
	name := filepath.Base(c.argv[0])
	switch {
	case err == nil:
		return output.String(), nil
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("run %s: not installed", name)
	case ctx.Err() != nil:
		return output.String(), fmt.Errorf("run %s: %w", name, context.Cause(ctx))
	}
	return output.String(), fmt.Errorf("run %w: %s", err, lastWords(output.String()))
}

// timed is how long a command took, in seconds. Its output must contain want.
func timed(ctx context.Context, c command, want string) (float64, error) {
	start := time.Now()
	output, err := run(ctx, c)
	took := time.Since(start).Seconds()
	if err == nil && !strings.Contains(output, want) {
		err = fmt.Errorf("run %s: %q is not in its answer: %s", filepath.Base(c.argv[0]), want, lastWords(output))
	}
	return took, err
}

// lastWords are the last lines of a text, for an error.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
