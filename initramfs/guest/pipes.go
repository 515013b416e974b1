package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pipe is the descriptor of one end of a pipe. It does not use Go's poller
// and has no finalizer: an emulated guest would have to translate that code,
// and the one goroutine that waits uses poll(2).
type pipe int

func (p pipe) Read(b []byte) (int, error) {
	n, err := unix.Read(int(p), b)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(int(p), b)
	}
	if err == nil && n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (p pipe) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := unix.Write(int(p), b[done:])
		if err != nil && !errors.Is(err, unix.EINTR) {
			return done, err
		}
		done += max(n, 0)
	}
	return done, nil
}

// noPipe stands for a closed pipe.
const noPipe pipe = -1

// close closes the pipe if it is open.
func (p *pipe) close() {
	if *p != noPipe {
		_ = unix.Close(int(*p)) // close(2) of a pipe reports no lost data
		*p = noPipe
	}
}

// pipes connect a probe's child: one for its job, one for its output, one for
// its result.
type pipes struct {
	job, output, result pipe    // our ends
	child               [3]pipe // the child's ends, in this order
	head                []byte  // the begin of the output
}

// maxOutput bounds what is kept of a child's output, in bytes.
const maxOutput = 4 << 10

func newPipes() (*pipes, error) {
	p := &pipes{noPipe, noPipe, noPipe, [3]pipe{noPipe, noPipe, noPipe}, nil}
	for i, ours := range []*pipe{&p.job, &p.output, &p.result} {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			p.closeChild()
			p.close()
			return nil, fmt.Errorf("connect child: pipe: %w", err)
		}
		if *ours, p.child[i] = pipe(ends[0]), pipe(ends[1]); i == 0 {
			p.child[i], *ours = *ours, p.child[i] // the job goes to the child
		}
	}
	return p, nil
}

// childFiles are the child's descriptors 0 to 3: job, stdout, stderr, result.
func (p *pipes) childFiles() []uintptr {
	return []uintptr{uintptr(p.child[0]), uintptr(p.child[1]), uintptr(p.child[1]), uintptr(p.child[2])}
}

func (p *pipes) closeChild() {
	for i := range p.child {
		p.child[i].close()
	}
}

func (p *pipes) close() {
	p.job.close()
	p.output.close()
	p.result.close()
}

// Errors of a listener.
var (
	errLate     = errors.New("late")
	errCanceled = errors.New("canceled")
)

// cancelEvery is how often a listener checks whether its context has ended.
const cancelEvery = 50 * time.Millisecond

// A listener reads a child's result and keeps the output that comes meanwhile.
// It returns errLate after until, and errCanceled when ctx has ended.
type listener struct {
	*pipes
	ctx   context.Context
	until time.Time // zero: no limit
}

func (l *listener) Read(b []byte) (int, error) {
	for {
		ready, err := l.poll(l.result)
		if err != nil {
			return 0, err
		}
		if ready {
			return l.result.Read(b)
		}
	}
}

// poll waits for p and for output, and reads the output.
func (l *listener) poll(p pipe) (ready bool, err error) {
	wait := -1
	if l.ctx.Done() != nil {
		wait = int(cancelEvery / time.Millisecond)
	}
	if !l.until.IsZero() {
		left := int(time.Until(l.until)/time.Millisecond) + 1
		if left <= 0 {
			return false, errLate
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	if l.ctx.Err() != nil {
		return false, errCanceled
	}
	set := []unix.PollFd{{Fd: int32(p), Events: unix.POLLIN}, {Fd: int32(l.output), Events: unix.POLLIN}}
	if err := rawPoll(set, wait); err != nil && err != unix.EINTR {
		return false, fmt.Errorf("wait for child: poll: %w", err)
	}
	if set[1].Revents != 0 {
		l.readOutput()
	}
	return set[0].Revents != 0, nil
}

// rawPoll is poll(2) without notice to Go's scheduler: while it waits, no other
// goroutine runs on this processor. A guest without a shell has none, and
// looking for one takes an emulated guest 2 ms.
func rawPoll(set []unix.PollFd, ms int) error {
	var timeout *unix.Timespec
	if ms >= 0 {
		t := unix.NsecToTimespec(int64(ms) * int64(time.Millisecond))
		timeout = &t
	}
	_, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&set[0])), uintptr(len(set)), uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// readOutput reads some of the child's output. At its end it closes our end of
// the pipe; poll(2) ignores descriptors that are negative.
func (l *listener) readOutput() {
	b := make([]byte, maxOutput)
	n, err := l.output.Read(b)
	l.head = append(l.head, b[:min(n, maxOutput-len(l.head))]...)
	if err != nil {
		l.output.close()
	}
}

// drainOutput reads the rest of the child's output.
func (l *listener) drainOutput() {
	for l.output != noPipe {
		if _, err := l.poll(noPipe); err != nil {
			return
		}
	}
}
