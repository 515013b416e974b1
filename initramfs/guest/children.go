package main

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// children starts processes and reaps them, and with them every orphan that
// falls to PID 1. Nothing else in this program may wait for a process.
//
// Where cells are run nobody does so all the time: whoever waits for one process
// takes in whatever has ended by then. A goroutine that waits has a thread of its
// own, and wakes others through it, all of which is new code to an emulated guest.
type children struct {
	mu   sync.Mutex // held while a child is started, so that it is known before it is reaped
	live []*child   // started and not reaped
}

// A child is a process that was started here.
type child struct {
	pid    int
	gone   bool // reaped
	status syscall.WaitStatus
}

// start starts a process.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr) (*child, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	ch := &child{pid: pid}
	c.live = append(c.live, ch)
	return ch, nil
}

// forGood is for a wait that has no end of its own.
const forGood = -1

// wait waits until a child has ended, at most so long, and reports whether it
// has; its status is known then.
func (c *children) wait(ch *child, atMost time.Duration) bool {
	fd, err := c.open(ch)
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

// open opens what says when a child has ended; -1 if it has, or with an error.
func (c *children) open(ch *child) (fd int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reap(); ch.gone {
		return -1, nil
	}
	return unix.PidfdOpen(ch.pid, 0) // nobody else can have the number: this one is not reaped
}

// reap takes in all that have ended.
func (c *children) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 { // nobody, or nobody yet
			return
		}
		if i := slices.IndexFunc(c.live, func(ch *child) bool { return ch.pid == pid }); i >= 0 {
			c.live[i].status, c.live[i].gone = status, true
			c.live = slices.Delete(c.live, i, i+1)
		}
	}
}
