package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// An Error is a command that could not be started, failed, or was stopped.
type Error struct {
	Name   string           // the program, as in Argv[0]
	State  *os.ProcessState // nil: it was not started
	Stderr string           // the end of its standard error, at most 4 KiB; empty if the caller took it
	Cause  error            // why it was not started, an *exec.ExitError, or the context's cause
}

// Error is one line: program, cause, and the last line of standard error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", filepath.Base(e.Name), e.Cause)
	var exit *exec.ExitError
	if line := e.LastLine(); line != "" && errors.As(e.Cause, &exit) {
		text += ": " + line
	}
	return text
}

// Unwrap gives the cause. A program that reports a full disk makes the error
// syscall.ENOSPC, too.
func (e *Error) Unwrap() []error {
	if strings.Contains(strings.ToLower(e.Stderr), "no space left on device") {
		return []error{e.Cause, syscall.ENOSPC}
	}
	return []error{e.Cause}
}

// Killed reports whether the program was ended by SIGKILL, so that it could
// not clean up.
func (e *Error) Killed() bool {
	if e.State == nil {
		return false
	}
	status, ok := e.State.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// maxLine bounds a line of standard error in a message, in bytes.
const maxLine = 400

// LastLine is the last line of Stderr that is not blank.
func (e *Error) LastLine() string {
	text := strings.TrimSpace(e.Stderr)
	line := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	return strings.ToValidUTF8(line[:min(len(line), maxLine)], "")
}

// cause drops what os/exec puts before the reason.
func cause(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// maxTail is how much of standard error is kept, in bytes.
const maxTail = 4 << 10

// A tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b[max(0, len(b)-maxTail):]...)
	if over := len(t.end) - maxTail; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
