package proc

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A guard is a shell that leads a group. It waits for the end of a pipe that
// only this process can write to: when this process is gone, however it went,
// the guard ends the group that it is in. So the number of the group cannot be
// another's.
type guard struct {
	cmd  *exec.Cmd
	pipe *os.File // closed by wait
}

// guardScript ignores the signals that the group gets while this process
// lives.
const guardScript = `trap '' TERM INT HUP; read -r _; kill -TERM 0; sleep %d; kill -KILL 0`

func startGuard(delay time.Duration) (*guard, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard processes: %w", err)
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(guardScript, int(max(delay, time.Second)/time.Second)))
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("guard processes: %w", err)
	}
	return &guard{cmd, w}, nil
}

func (g *guard) pid() int { return g.cmd.Process.Pid }

func (g *guard) kill() { unix.Kill(-g.pid(), unix.SIGKILL) }

// wait reaps a guard that was killed.
func (g *guard) wait() {
	g.cmd.Wait()
	g.pipe.Close()
}
