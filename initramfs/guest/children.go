package main

import (
	"fmt"
	"sync"
	"syscall"
)

// children starts processes and reaps them, and with them every orphan that
// falls to PID 1. Nothing else in this program may wait for a process: the
// one wait4(-1) here would race with it.
type children struct {
	mu   sync.Mutex // held while a child is started, so that it is known before it is reaped
	live map[int]chan syscall.WaitStatus
	some chan struct{} // there may be children again
}

func newChildren() *children {
	c := &children{live: map[int]chan syscall.WaitStatus{}, some: make(chan struct{}, 1)}
	go c.reap()
	return c
}

// start starts a process. Its status comes on the channel, once.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr) (pid int, done <-chan syscall.WaitStatus, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err = syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", path, err)
	}
	ch := make(chan syscall.WaitStatus, 1)
	c.live[pid] = ch
	select {
	case c.some <- struct{}{}:
	default:
	}
	return pid, ch, nil
}

// reap waits for whoever ends. Orphans come only from our own children, so
// that while there are none there is nothing to wait for.
func (c *children) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch err {
		case nil:
			c.mu.Lock()
			if ch, ours := c.live[pid]; ours {
				ch <- status
				delete(c.live, pid)
			}
			c.mu.Unlock()
		case syscall.ECHILD:
			<-c.some
		}
	}
}
