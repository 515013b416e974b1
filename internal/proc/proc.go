// Package proc runs other programs. Each runs in a process group of its own,
// and nothing of that group outlives the command, the context or this process.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultWaitDelay is how long a group has to end after SIGTERM.
const DefaultWaitDelay = 5 * time.Second

// A Command is a program to run. Only Argv is required.
type Command struct {
	Argv []string // the program, looked up in PATH if it has no slash, and its arguments
	Path string   // the program if it is not Argv[0]
	Dir  string   // working directory; empty: this process's
	Env  []string // nil: this process's, with English messages (see Environ)

	Stdin  io.Reader  // nil: empty
	Stdout io.Writer  // nil: dropped
	Stderr io.Writer  // nil: its end is kept for the error
	Files  []*os.File // inherited as descriptors 3 and up

	// WaitDelay is the time between SIGTERM and SIGKILL when the context ends,
	// and how long output that a stray process holds open is waited for;
	// 0: DefaultWaitDelay.
	WaitDelay time.Duration

	// Family is set for programs that start others, like make. If this process
	// is killed, the kernel ends only the program itself; with Family a shell in
	// the same group then ends the rest, too. It costs about 1 ms.
	Family bool

	// Stopping, if set, is called before SIGTERM is sent.
	Stopping func()
}

// A Process is a command that was started.
type Process struct {
	name  string
	cmd   *exec.Cmd
	guard *guard // nil without Family
	delay time.Duration
	ctx   context.Context
	tail  *tail // end of stderr; nil if the caller takes it
	done  chan struct{}
	err   error // of cmd.Wait, once done is closed

	stopping func()
	stopOnce sync.Once

	mu      sync.Mutex
	group   int         // process group; 0: it may be another's by now
	timer   *time.Timer // from SIGTERM to SIGKILL
	stopped bool        // the context ended first, or Stop was called
}

// sendSignal is unix.Kill outside of tests.
var sendSignal = unix.Kill

// Start starts the command. When ctx ends, the group gets SIGTERM, and SIGKILL
// after WaitDelay. When the program has ended, what is left of its group is
// killed. An error is an *Error: the program is missing, or cannot be executed.
func Start(ctx context.Context, c Command) (*Process, error) {
	if len(c.Argv) == 0 {
		return nil, errors.New("run program: it has no name")
	}
	p := &Process{name: c.Argv[0], ctx: ctx, delay: c.WaitDelay, stopping: c.Stopping, done: make(chan struct{})}
	if p.delay <= 0 {
		p.delay = DefaultWaitDelay
	}
	if ctx.Err() != nil {
		return nil, &Error{Name: p.name, Cause: context.Cause(ctx)}
	}
	path := c.Path
	if path == "" {
		path = c.Argv[0]
	}
	p.cmd = exec.Command(path, c.Argv[1:]...)
	p.cmd.Args[0] = c.Argv[0]
	p.cmd.Dir, p.cmd.Env = c.Dir, c.Env
	if c.Env == nil {
		p.cmd.Env = Environ()
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = c.Stdin, c.Stdout, c.Stderr, c.Files
	if c.Stderr == nil {
		p.tail = &tail{}
		p.cmd.Stderr = p.tail
	}
	p.cmd.WaitDelay = p.delay
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go p.startAndWait(c.Family, started)
	if err := <-started; err != nil {
		return nil, &Error{Name: p.name, Cause: cause(err)}
	}
	return p, nil
}

// startAndWait starts the program and waits for it, all on one thread: the kernel
// sends PDEATHSIG when the thread that started the program ends, not when the
// process does.
func (p *Process) startAndWait(family bool, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	if family {
		g, err := startGuard(p.delay)
		if err != nil {
			started <- err
			return
		}
		defer g.wait()
		p.guard = g
		p.cmd.SysProcAttr.Pgid = g.pid()
		p.cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM // make removes half-written files
	}
	if err := p.cmd.Start(); err != nil {
		if p.guard != nil {
			p.guard.kill()
		}
		started <- err
		return
	}
	p.mu.Lock()
	p.group = p.cmd.Process.Pid
	if p.guard != nil {
		p.group = p.guard.pid()
	}
	p.mu.Unlock()
	unwatch := context.AfterFunc(p.ctx, p.Stop)
	started <- nil
	// While the leader is not reaped, nobody else can have the group's number.
	for unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	unwatch()
	p.mu.Lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	sendSignal(-p.group, unix.SIGKILL)
	p.group = 0
	p.mu.Unlock()
	p.err = p.cmd.Wait()
}

// Pid is the program's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended, its group was killed, and its
// output was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// State is how the program ended. It is nil until Done is closed.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Stop sends SIGTERM to the group, and SIGKILL if the program has not ended
// after WaitDelay. It does not wait, and does nothing the second time.
func (p *Process) Stop() {
	p.stopOnce.Do(func() {
		if p.stopping != nil {
			p.stopping()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.group != 0 {
			p.stopped = true
			sendSignal(-p.group, unix.SIGTERM)
			p.timer = time.AfterFunc(p.delay, p.Kill)
		}
	})
}

// Kill sends SIGKILL to the group. It does nothing if the program has ended.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.group != 0 {
		sendSignal(-p.group, unix.SIGKILL)
	}
}

// Wait waits for Done. The error is nil if the program exited with 0 and was
// not stopped, else an *Error.
func (p *Process) Wait() error {
	<-p.done
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	e := &Error{Name: p.name, State: p.cmd.ProcessState, Cause: p.err}
	if p.tail != nil {
		e.Stderr = p.tail.String()
	}
	switch {
	case stopped && p.ctx.Err() != nil:
		e.Cause = context.Cause(p.ctx)
	case stopped && p.err == nil:
		e.Cause = errors.New("stopped")
	case p.err == nil:
		return nil
	}
	return e
}

// Run starts the command and waits for it. The error is an *Error.
func Run(ctx context.Context, c Command) error {
	p, err := Start(ctx, c)
	if err != nil {
		return err
	}
	return p.Wait()
}

// maxOutput bounds what Output keeps, in bytes.
var maxOutput = 64 << 20

// Output runs the command and returns its standard output. The error is an
// *Error. More than 64 MiB of output is an error.
func Output(ctx context.Context, c Command) ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("run program: Stdout is set")
	}
	var out limited
	c.Stdout = &out
	err := Run(ctx, c)
	if out.full {
		err = &Error{Name: c.Argv[0], Cause: fmt.Errorf("it wrote more than %d bytes", maxOutput)}
	}
	return out.b, err
}

// Environ is this process's environment, in which programs write their
// messages in English, because callers look into them.
func Environ() []string { return append(os.Environ(), "LC_ALL=C") }

// limited keeps at most maxOutput bytes.
type limited struct {
	b    []byte
	full bool
}

func (l *limited) Write(b []byte) (int, error) {
	if len(l.b)+len(b) > maxOutput {
		l.full = true
		return 0, io.ErrShortWrite
	}
	l.b = append(l.b, b...)
	return len(b), nil
}
