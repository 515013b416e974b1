package tracefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A Use uses a file that was opened and undoes it: whether it worked as the file
// says, and the look that shows it. Without a look nothing is known.
type Use func(fd int) (worked bool, look string)

// Open opens a file of tracefs, uses it and closes it.
func Open(file string, flags int, config string, use Use) observe.Report {
	return OpenBy(observe.Direct, file, flags, config, use)
}

// OpenBy is Open with other calls. The use's calls are its own.
func OpenBy(c observe.Calls, file string, flags int, config string, use Use) observe.Report {
	path := filepath.Join(Dir, file)
	r := c.WithFile(path, flags, func(fd int) observe.Report {
		r := observe.FromError(c.Text(observe.OpenCall(path, flags)), nil)
		if use == nil {
			return r
		}
		worked, look := use(fd)
		if look == "" {
			return r
		}
		return r.Saw(worked, look)
	})
	if r = denied(file, r, config); r.Outcome != observe.Allowed {
		return r.Saw(false, "the file is not open")
	}
	return r
}

// denied takes an error of an open function for a denial that lockdown returns as
// that error: ENOENT if tracefs is empty, and ENODEV of options/, which turns every
// error into it (kernel/trace/trace.c:trace_options_open, v6.12).
func denied(file string, r observe.Report, config string) observe.Report {
	if strings.HasPrefix(file, "options/") && r.Outcome == observe.Failed && r.Errno == unix.ErrnoName(unix.ENODEV) {
		r.Outcome, r.Why = observe.Denied, ""
	}
	return DeniedIfEmpty(r, config)
}

// Opens opens a file of tracefs in the ways that Open with these flags does not.
// None of them truncates: that discards what others have set.
func Opens(file string, flags int) (list []observe.Variant) {
	path := filepath.Join(Dir, file)
	open := func(args string, open func() (int, error)) {
		fd, err := open()
		if err == nil {
			unix.Close(fd)
		}
		list = append(list, denied(file, observe.FromError(args, err), "CONFIG_TRACING").Vary(args))
	}
	for _, mode := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_APPEND} {
		if mode != flags&(unix.O_ACCMODE|unix.O_APPEND) {
			args := observe.OpenCall(path, mode|unix.O_NONBLOCK)
			open(args, func() (int, error) { return unix.Open(path, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) })
		}
	}
	open("openat2", func() (int, error) {
		return unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_NO_MAGICLINKS})
	})
	open("through /proc/self/fd of an O_PATH descriptor", func() (int, error) {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		defer unix.Close(fd)
		return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags|unix.O_CLOEXEC, 0)
	})
	return list
}

// Reads wants one of the texts near the beginning of the file.
func Reads(texts ...string) Use {
	return func(fd int) (bool, string) {
		b := make([]byte, os.Getpagesize())
		n, err := unix.Read(fd, b)
		if err != nil {
			return false, observe.CallText("read", err)
		}
		for _, text := range texts {
			if bytes.Contains(b[:n], []byte(text)) {
				return true, fmt.Sprintf("it has %q", text)
			}
		}
		return false, fmt.Sprintf("it begins with %.40q", b[:n])
	}
}

// ReadsSomething reads a file that may be empty.
func ReadsSomething(fd int) (bool, string) {
	b := make([]byte, os.Getpagesize())
	n, err := unix.Read(fd, b)
	if err != nil {
		return false, observe.CallText("read", err)
	}
	if n == 0 {
		return false, ""
	}
	return true, fmt.Sprintf("it begins with %.40q", b[:n])
}

// ReadsEvent wants the name of an event that exists.
func ReadsEvent(fd int) (bool, string) {
	b := make([]byte, os.Getpagesize())
	n, err := unix.Read(fd, b)
	if err != nil {
		return false, observe.CallText("read", err)
	}
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	return observe.Exists(filepath.Join(Dir, "events", strings.Replace(line, ":", "/", 1))), fmt.Sprintf("it begins with %q", line)
}

// Toggles writes the other value to a file that holds 0 or 1, looks at it through
// another descriptor, and writes the first value back.
func Toggles(file string) Use {
	return func(fd int) (bool, string) {
		path := filepath.Join(Dir, file)
		was, _ := observe.ReadText(path)
		other, back := "1", "0"
		if strings.HasPrefix(was, "1") {
			other, back = back, other
		}
		return writes(fd, other, back, func() (bool, string) {
			is, r := observe.ReadText(path)
			return strings.HasPrefix(is, other), fmt.Sprintf("%s: %q", r.Call, is)
		})
	}
}

// writes writes, looks, and writes what undoes it.
func writes(fd int, text, undo string, look func() (bool, string)) (bool, string) {
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return false, observe.CallText(fmt.Sprintf("write(%q)", text), err)
	}
	worked, seen := look()
	if _, err := unix.Write(fd, []byte(undo)); err != nil {
		seen += ", and stays so: " + observe.CallText(fmt.Sprintf("write(%q)", undo), err)
	}
	return worked, seen
}

// quietEvent is an event of every kernel that hardly ever happens.
const quietEvent = "sched/sched_kthread_stop"

// SetsEvent switches the quiet event on through set_event and looks at the
// event's own file.
func SetsEvent(fd int) (bool, string) {
	path := filepath.Join(Dir, "events", quietEvent, "enable")
	name := strings.Replace(quietEvent, "/", ":", 1)
	on, off, want := name, "!"+name, "1"
	if was, _ := observe.ReadText(path); strings.HasPrefix(was, "1") {
		on, off, want = off, on, "0"
	}
	return writes(fd, on, off, func() (bool, string) {
		is, r := observe.ReadText(path)
		return strings.HasPrefix(is, want), fmt.Sprintf("%s: %q", r.Call, is)
	})
}

// SetsTrigger adds a trigger to an event that switches tracing on, which it is.
func SetsTrigger(file string) Use {
	return func(fd int) (bool, string) {
		return writes(fd, "traceon:1", "!traceon:1", func() (bool, string) {
			is, r := observe.ReadText(filepath.Join(Dir, file))
			return strings.Contains(is, "traceon"), fmt.Sprintf("%s: %.40q", r.Call, is)
		})
	}
}

// mark is what the child writes to trace_marker: no other task has its text.
func mark() string { return fmt.Sprintf("ldlab mark of %d", os.Getpid()) }

// Marks writes to trace_marker and looks for it in trace.
func Marks(fd int) (bool, string) {
	if _, err := unix.Write(fd, []byte(mark())); err != nil {
		return false, observe.CallText(fmt.Sprintf("write(%q)", mark()), err)
	}
	f, err := os.Open(filepath.Join(Dir, "trace"))
	if err != nil {
		return false, ""
	}
	defer f.Close()
	return finds(int(f.Fd()), mark())
}

// FindsMark writes to trace_marker on the first processor and looks for it in the
// file, which is one of those that are emptied by reading. Nothing is known if
// there is no trace_marker.
func FindsMark(fd int) (bool, string) {
	defer observe.OnFirstProcessor()()
	if observe.WriteText(filepath.Join(Dir, "trace_marker"), mark()).Outcome != observe.Allowed {
		return false, ""
	}
	return finds(fd, mark())
}

// finds reads a file until it has the text, or ends.
func finds(fd int, text string) (bool, string) {
	const most = 16 << 20 // bytes: more than the buffers of the lab's guests
	b := make([]byte, 16*os.Getpagesize())
	var tail []byte
	for read := 0; read < most; {
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return false, fmt.Sprintf("no %q in %d bytes, and then %s", text, read, observe.CallText("read", err))
		}
		read += n
		tail = append(tail[max(0, len(tail)-len(text)):], b[:n]...)
		if bytes.Contains(tail, []byte(text)) {
			return true, fmt.Sprintf("it has %q", text)
		}
	}
	return false, fmt.Sprintf("no %q in %d bytes", text, most)
}

// ReadsDefined defines an event through a file of tracefs, wants its name in the
// open file, and removes it. Nothing is known if the event cannot be defined,
// because another reason may be locked or the kernel lacks the kind of event.
func ReadsDefined(file, define, remove, name string) Use {
	return func(fd int) (worked bool, look string) {
		path := filepath.Join(Dir, file)
		if observe.WriteText(path, define).Outcome != observe.Allowed {
			return false, ""
		}
		worked, look = finds(fd, name)
		if r := observe.WriteText(path, remove); r.Outcome != observe.Allowed {
			look += ", and stays: " + r.Call
		}
		return worked, look
	}
}
