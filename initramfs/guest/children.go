package main

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children starts processes and reaps them, and with them every orphan whose
// parent becomes PID 1. Nothing else in this program may wait for a process.
//
// A guest without a shell has no goroutine that reaps all the time: wait reaps
// everything that has ended by then. A goroutine that waits would need a thread
// of its own and wake others through it, and an emulated guest would have to
// translate all of that code.
type children struct {
	mu   sync.Mutex // held from start to registration, so that a child is known before it is reaped
	live []*process // started and not reaped

	stuck bool // one of them has survived SIGKILL: the kernel does not let go of it

	reaped func(pid int) // nil but in tests; c.mu is held
}

// A process was started here.
type process struct {
	pid    int
	group  bool // it leads a process group, which ends with it
	gone   bool // reaped
	status syscall.WaitStatus
}

// start starts a process. If group is set, attr must give it a process group
// of its own, and what is left of the group is killed when the process ends.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr, group bool) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	p := &process{pid: pid, group: group}
	c.live = append(c.live, p)
	return p, nil
}

// signal sends a signal to the process group that p leads, and reports whether
// it was sent. It does nothing if p was reaped: the number may by then belong
// to another group.
func (c *children) signal(p *process, sig syscall.Signal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !p.gone && syscall.Kill(-p.pid, sig) == nil
}

// forGood is a wait without a limit.
const forGood = -1

// wait waits until a process has ended, for at most the given time, and reports
// whether it has; its status is valid then.
func (c *children) wait(p *process, atMost time.Duration) bool {
	fd, err := c.open(p)
	if fd < 0 {
		return err == nil
	}
	defer unix.Close(fd)
	for until := time.Now().Add(atMost); ; {
		ms := -1
		if atMost >= 0 {
			ms = max(0, int(time.Until(until)/time.Millisecond)+1)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
		if n > 0 {
			break
		}
		if err != unix.EINTR {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reap()
	return true
}

// open returns a descriptor that becomes readable when a process has ended. It
// is -1 if the process was reaped, or with an error.
func (c *children) open(p *process) (fd int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reap(); p.gone {
		return -1, nil
	}
	return unix.PidfdOpen(p.pid, 0) // p is not reaped, so the number is its own
}

// reap reaps all processes that have ended. c.mu is held.
//
// It looks before it reaps: while the leader of a group is a zombie, the
// group's number belongs to nobody else, and the rest of the group can be killed.
func (c *children) reap() {
	for {
		pid := ended()
		if pid <= 0 {
			return
		}
		i := slices.IndexFunc(c.live, func(p *process) bool { return p.pid == pid })
		if i >= 0 && c.live[i].group {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: it has left its group
		}
		var status syscall.WaitStatus
		if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); got != pid {
			if err == syscall.EINTR {
				continue
			}
			return
		}
		if c.reaped != nil {
			c.reaped(pid)
		}
		if i >= 0 {
			c.live[i].status, c.live[i].gone = status, true
			c.live = slices.Delete(c.live, i, i+1)
		}
	}
}

// ended returns the number of a child that has ended and leaves it unreaped; 0
// if there is none.
func ended() int {
	// siginfo_t of 64-bit Linux: si_pid follows three ints and padding
	// (include/uapi/asm-generic/siginfo.h). unix.Siginfo does not name it.
	var info struct {
		_   [4]int32
		pid int32
		_   [27]int32
	}
	for {
		err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil { // ECHILD: there are no children
			return 0
		}
		return int(info.pid)
	}
}
