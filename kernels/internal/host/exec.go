// Package host runs programs and keeps locks and checksums of files for the
// rooms of kernels/.
package host

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

// StopTime is how long a process group has to end after SIGTERM. make uses it
// to remove half-written targets.
const StopTime = 10 * time.Second

// Command is exec.CommandContext for a process that may have children: it gets
// a group of its own, all of which ends with the context, and with this
// process. Messages are in English, so that they can be told apart.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = StopTime
	return cmd
}

// KillGroup ends what a waited-for command may have left running.
func KillGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// Run runs a short command in dir and gives its output. The error has the last
// line of what the command said.
func Run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := Command(ctx, name, args...)
	cmd.Dir = dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := RunGroup(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, Explain(ctx, err, said.String()))
	}
	return out.Bytes(), nil
}

// RunGroup is cmd.Run that leaves no process of the group behind.
func RunGroup(cmd *exec.Cmd) error {
	defer KillGroup(cmd)
	return cmd.Run()
}

// Explain turns a failed command into one line: the end of the context, a full
// disk, the last line that it said, or how it ended.
func Explain(ctx context.Context, err error, said string) error {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case strings.Contains(said, DiskFull):
		return syscall.ENOSPC
	case last != "":
		return errors.New(last)
	}
	return Cause(err)
}

// DiskFull is how every program puts ENOSPC.
const DiskFull = "No space left on device"

// Cause strips what os/exec puts before the cause.
func Cause(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
