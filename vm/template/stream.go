package template

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// QEMU writes and reads a machine's state through a pipe. QEMU 11 refuses
// "fd:" migration to and from plain files, 9.1 to 10 warn about it, and every
// version accepts a pipe (migration/fd.c).

// A sink copies what QEMU writes to a pipe into a file.
type sink struct {
	pipe *os.File // our end
	done chan struct{}
	err  error // once done is closed
}

// newSink returns a sink that accepts at most limit bytes, and QEMU's end of
// the pipe. The caller must close both. The sink is done when every copy of
// QEMU's end is closed.
func newSink(to *os.File, limit int64) (s *sink, theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	s = &sink{pipe: r, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		n, err := io.Copy(io.NewOffsetWriter(to, 0), io.LimitReader(r, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("it has more than %d bytes", limit)
			r.Close() // QEMU gets EPIPE, and does not wait for a reader
		}
		if err != nil {
			s.err = fmt.Errorf("read state: %w", err)
		}
	}()
	return s, w, nil
}

// close ends the sink, whatever QEMU does.
func (s *sink) close() {
	s.pipe.Close() // it may be closed already
	<-s.done
}

// A source writes a file's content to a pipe from which QEMU reads it.
type source struct {
	pipe *os.File // our end
	done chan struct{}
	err  error // once done is closed
}

// pipeBytes is the wish for a pipe's size: a state of some 100 KiB then fits, and
// QEMU never waits for this process. Linux allows 1 MiB without privileges.
const pipeBytes = 1 << 20

// newPipe returns both ends of a pipe for a state that QEMU will read.
func newPipe() (theirs, ours *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	raw, err := w.SyscallConn() // Fd would make writes block
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) // a smaller pipe is slower, nothing worse
		})
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make pipe: %w", err), r.Close(), w.Close())
	}
	return r, w, nil
}

// newSource starts to write the content of from to pipe, and closes pipe after it.
func newSource(pipe, from *os.File) *source {
	s := &source{pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer pipe.Close() // QEMU sees the end of a state that was cut short
		n, err := size(from)
		if err == nil {
			// Without the wrappers io.Copy would try system calls that do
			// not work from memory files to pipes.
			_, err = io.CopyBuffer(struct{ io.Writer }{pipe}, section(from, extent{0, n}), make([]byte, copyBufSize))
		}
		// QEMU does not read what follows the state's end mark.
		if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
			s.err = fmt.Errorf("write state: %w", err)
		}
	}()
	return s
}

// close ends the source, whatever QEMU does, and returns what kept it from
// writing.
func (s *source) close() error {
	s.pipe.Close() // it may be closed already
	<-s.done
	return s.err
}
