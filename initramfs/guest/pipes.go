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

// A pipe is one end of a pipe, by its descriptor. It does not go through Go's
// poller and has no finalizer: to an emulated guest all of that is new code,
// and one goroutine that waits with poll(2) needs none of it.
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

// noPipe is a pipe that is not there, or not any more.
const noPipe pipe = -1

// close closes what is open.
func (p *pipe) close() {
	if *p != noPipe {
		_ = unix.Close(int(*p)) // a pipe has nothing to say when it is closed
		*p = noPipe
	}
}

// pipes connect a probe's child: one for its job, one for all it says, one for
// its result.
type pipes struct {
	job, said, result pipe    // our ends
	child             [3]pipe // and its own, in this order
	head              []byte  // of what it said
}

// maxSaid bounds what is kept of a child's output, in bytes.
const maxSaid = 4 << 10

func newPipes() (*pipes, error) {
	p := &pipes{noPipe, noPipe, noPipe, [3]pipe{noPipe, noPipe, noPipe}, nil}
	for i, ours := range []*pipe{&p.job, &p.said, &p.result} {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			p.closeChild()
			p.close()
			return nil, fmt.Errorf("connect child: pipe: %w", err)
		}
		if *ours, p.child[i] = pipe(ends[0]), pipe(ends[1]); i == 0 {
			p.child[i], *ours = *ours, p.child[i] // the job goes the other way
		}
	}
	return p, nil
}

// childFiles are the child's descriptors 0 to 3.
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
	p.said.close()
	p.result.close()
}

// Why a child was not listened to any longer.
var (
	errLate     = errors.New("late")
	errCanceled = errors.New("canceled")
)

// cancelEvery is how often a listener looks whether its context is over.
const cancelEvery = 50 * time.Millisecond

// A listener reads a child's result, and takes in what the child says
// meanwhile, until a time has come or ctx is over: errLate, errCanceled.
type listener struct {
	*pipes
	ctx   context.Context
	until time.Time // zero: for good
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

// poll waits for p and for what the child says, and takes the latter in.
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
	set := []unix.PollFd{{Fd: int32(p), Events: unix.POLLIN}, {Fd: int32(l.said), Events: unix.POLLIN}}
	if err := rawPoll(set, wait); err != nil && err != unix.EINTR {
		return false, fmt.Errorf("wait for child: poll: %w", err)
	}
	if set[1].Revents != 0 {
		l.hear()
	}
	return set[0].Revents != 0, nil
}

// rawPoll is poll(2), of which Go's scheduler is not told: while it waits, other
// goroutines get no time of this one's processor. Where cells are run there are
// none, and to have looked for one costs an emulated guest 2 ms.
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

// hear takes in some of what the child says. The end of it closes our end:
// poll(2) passes over descriptors that are not there.
func (l *listener) hear() {
	b := make([]byte, maxSaid)
	n, err := l.said.Read(b)
	l.head = append(l.head, b[:min(n, maxSaid-len(l.head))]...)
	if err != nil {
		l.said.close()
	}
}

// hearAll takes in the rest of what the child said.
func (l *listener) hearAll() {
	for l.said != noPipe {
		if _, err := l.poll(noPipe); err != nil {
			return
		}
	}
}
