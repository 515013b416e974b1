// Package steps does the steps of findings: it opens, reads and writes files, makes
// system calls by name, and keeps what the kernel logged and counted for each.
package steps

import (
	"encoding/hex"
	"runtime"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Known reports whether a step may make the system call, on any architecture.
func Known(call string) bool {
	_, ok := numbers[call]
	_, only := missing[call]
	return ok || only
}

// Run does the steps in order, in one thread, and returns them with their answers.
// observe.CheckSteps must accept them. It undoes nothing: the guest ends after them.
func Run(list []observe.Step) []observe.Step {
	runtime.LockOSThread() // for the calls that change the thread
	defer runtime.UnlockOSThread()
	r := runner{files: map[string]int{}, word: newWord()}
	defer r.close()
	done := make([]observe.Step, 0, len(list))
	for _, s := range list {
		s.Done = true
		for range max(s.Times, 1) {
			r.do(&s)
		}
		r.word.of(&s)
		done = append(done, s)
	}
	return done
}

// A runner has what one step leaves to the next.
type runner struct {
	files map[string]int
	word  *word
}

func (r *runner) close() {
	for _, fd := range r.files {
		unix.Close(fd)
	}
	r.word.close()
}

// do does a step once.
func (r *runner) do(s *observe.Step) {
	s.Err, s.Ret, s.Read, s.ReadHex = "", 0, "", ""
	switch s.Call {
	case "open", "read", "write":
		r.file(s)
	default:
		r.call(s)
	}
}

// file opens a file, or takes one that is open, and reads or writes it.
func (r *runner) file(s *observe.Step) {
	name, named := strings.CutPrefix(s.File, "$")
	fd, keep := r.files[name]
	if named && !keep { // the step that was to open it failed
		s.Err = "EBADF"
		return
	}
	if !named {
		flags := s.Flags
		if s.Call == "write" && flags&unix.O_ACCMODE == unix.O_RDONLY {
			flags |= unix.O_WRONLY
		}
		var err error
		if fd, err = unix.Open(s.File, flags|unix.O_CLOEXEC, 0o600); err != nil {
			s.Err = observe.ErrnoName(err)
			return
		}
		keep = r.name(s.As, fd)
	}
	if !keep {
		defer unix.Close(fd)
	}
	switch s.Call {
	case "read":
		read(s, fd)
	case "write":
		s.Err = observe.ErrnoName(observe.WriteOnce(fd, string(s.Bytes()), s.At))
	}
}

// name keeps a descriptor for later steps, and reports whether it does.
func (r *runner) name(as string, fd int) bool {
	if as == "" {
		return false
	}
	if old, ok := r.files[as]; ok {
		unix.Close(old)
	}
	r.files[as] = fd
	return true
}

// read reads a file to its end, or as much as one call returns.
func read(s *observe.Step, fd int) {
	var text string
	if s.Size == 0 {
		text, s.Err = observe.ReadAll(fd, s.At)
	} else {
		b := make([]byte, s.Size)
		var n int
		var err error
		if s.At != 0 {
			n, err = unix.Pread(fd, b, s.At)
		} else {
			n, err = unix.Read(fd, b)
		}
		text, s.Err = string(b[:max(n, 0)]), observe.ErrnoName(err)
	}
	if utf8.ValidString(text) {
		s.Read = text
	} else {
		s.ReadHex = hex.EncodeToString([]byte(text))
	}
}

// call makes a system call. One that the architecture lacks returns ENOSYS.
func (r *runner) call(s *observe.Step) {
	number, ok := numbers[s.Call]
	if !ok {
		s.Err = "ENOSYS"
		return
	}
	var words [observe.MaxArgs]uintptr
	var buffers [observe.MaxArgs][]byte // the kernel gets pointers to them
	for i, text := range s.Args {
		a, err := observe.ParseArg(text)
		switch {
		case err != nil: // cannot happen: they were checked
			s.Err = err.Error()
			return
		case a.File != "":
			fd, ok := r.files[a.File]
			if !ok {
				fd = -1
			}
			words[i] = uintptr(fd)
		case a.Bytes != nil:
			buffers[i] = a.Bytes
			words[i] = uintptr(unsafe.Pointer(&a.Bytes[0]))
		default:
			words[i] = uintptr(a.Number)
		}
	}
	ret, _, errno := unix.Syscall6(number, words[0], words[1], words[2], words[3], words[4], words[5])
	runtime.KeepAlive(buffers)
	if errno != 0 {
		s.Err = observe.ErrnoName(errno)
		return
	}
	s.Ret = int64(ret)
	r.name(s.As, int(ret))
}
