package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A process is QEMU, in a process group of its own so that a terminal's Ctrl-C
// reaches only the lab, which then ends QEMU in its own order.
type process struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc // SIGTERM now, SIGKILL after quitTimeout
	done   chan struct{}      // closed when it was waited for
}

// startProcess starts argv with files as descriptors 3 and up. When ctx ends,
// stopping is called and the process ended.
func startProcess(ctx context.Context, argv []string, files []*os.File, stderr io.Writer, stopping func()) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.ExtraFiles = files
	cmd.Stdout = stderr
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = quitTimeout
	cmd.Cancel = func() error {
		stopping()
		return unix.Kill(-cmd.Process.Pid, unix.SIGTERM)
	}
	p := &process{cmd, cancel, make(chan struct{})}
	started := make(chan error)
	go p.babysit(started)
	if err := <-started; err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// babysit starts the process and waits for it, all on one thread: PDEATHSIG
// strikes when the thread dies that started the process.
func (p *process) babysit(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	// While the leader is not reaped, its group's number can't be another's.
	for unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.kill()
	p.cmd.Wait() // the state says it all
	p.cancel()
}

// kill ends the whole group at once. It does nothing to a group that is gone.
func (p *process) kill() { unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) }

// state is what became of the process, once done is closed.
func (p *process) state() *os.ProcessState { return p.cmd.ProcessState }

// socketPair makes a connection: one end for the lab, one for QEMU to inherit.
func socketPair() (ours *os.File, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "lab"), os.NewFile(uintptr(fds[1]), "qemu"), nil
}
