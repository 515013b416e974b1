package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long a process group has to end after SIGTERM. make uses it
// to remove half-written targets.
const stopTime = 10 * time.Second

// command is exec.CommandContext for a process that may have children: it gets
// a group of its own, all of which ends with the context, and with this
// process. Messages are in English, so that they can be told apart.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	return cmd
}

// killGroup ends what a waited-for command may have left running.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// run runs a short command in dir and gives its output. The error has the last
// line of what the command said.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := command(ctx, name, args...)
	cmd.Dir = dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := runGroup(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, explain(ctx, err, said.String()))
	}
	return out.Bytes(), nil
}

// runGroup is cmd.Run that leaves no process of the group behind.
func runGroup(cmd *exec.Cmd) error {
	defer killGroup(cmd)
	return cmd.Run()
}

// explain turns a failed command into one line: the end of the context, a full
// disk, the last line that it said, or how it ended.
func explain(ctx context.Context, err error, said string) error {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case strings.Contains(said, diskFull):
		return syscall.ENOSPC
	case last != "":
		return errors.New(last)
	}
	return cause(err)
}

// diskFull is how every program puts ENOSPC.
const diskFull = "No space left on device"

// cause strips what os/exec puts before the cause.
func cause(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
