package observe

import (
	"golang.org/x/sys/unix"
)

// Calls is a way to make the system calls of an act. An offset below 0 is the
// file's own position: a file that cannot seek, such as kprobe_events, refuses
// any other one.
type Calls struct {
	Name          string // as a report has it
	Open          func(path string, flags int) (int, error)
	Pread, Pwrite func(fd int, b []byte, at int64) (int, error)
}

// Direct makes each system call itself.
var Direct = Calls{
	Name:   "",
	Open:   open,
	Pread:  atOrHere(unix.Pread, unix.Read),
	Pwrite: atOrHere(unix.Pwrite, unix.Write),
}

// atOrHere is a call with an offset, or one without if the offset is below 0.
func atOrHere(at func(int, []byte, int64) (int, error), here func(int, []byte) (int, error)) func(int, []byte, int64) (int, error) {
	return func(fd int, b []byte, offset int64) (int, error) {
		if offset < 0 {
			return here(fd, b)
		}
		return at(fd, b, offset)
	}
}

// Text is a call as strace prints it, with the way in front.
func (c Calls) Text(call string) string {
	if c.Name == "" {
		return call
	}
	return c.Name + ": " + call
}

// WithFile opens a file and, if that is allowed, performs the act on it.
func (c Calls) WithFile(path string, flags int, act func(fd int) Report) Report {
	fd, err := c.Open(path, flags)
	r := FromError(c.Text(OpenCall(path, flags)), err)
	if r.Outcome != Allowed {
		return r
	}
	defer unix.Close(fd)
	if act == nil {
		return r
	}
	return act(fd)
}

// WriteText writes a whole text with one call.
func (c Calls) WriteText(path, text string) Report {
	return c.WithFile(path, unix.O_WRONLY, func(fd int) Report {
		_, err := c.Pwrite(fd, []byte(text), -1)
		return FromError(c.Text(WriteCall(path, text)), err)
	})
}
