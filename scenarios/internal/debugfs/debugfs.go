// Package debugfs uses the files of debugfs, mostly those of the lab series.
package debugfs

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	Dir    = "/sys/kernel/debug"
	LabDir = Dir + "/ldlab" // the files of the lab series, CONFIG_LDLAB_DEBUGFS

	// WarnOnce is a file of every kernel with debugfs, mode 0200. Opening it
	// does nothing.
	WarnOnce = Dir + "/clear_warn_once"

	// _IO('L', 0), the only ioctl of the lab's files.
	ioctlLab = 0x4c00

	labText = "ldlab\n" // what the lab's files hold from boot
)

// LabFile reports the missing option if a file of the lab series does not
// exist.
func LabFile(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_LDLAB_DEBUGFS", unix.ENOENT)
}

// A Use uses an open file and undoes it: whether it worked, and the look that
// shows it. Without a look nothing is known.
type Use func(fd int) (worked bool, look string)

// Open opens a file, uses it and closes it.
func Open(path string, flags int, use Use) observe.Report {
	return OpenBy(observe.Direct, path, flags, use)
}

// OpenBy is Open with other calls. The use's calls are its own.
func OpenBy(c observe.Calls, path string, flags int, use Use) observe.Report {
	r := c.WithFile(path, flags, func(fd int) observe.Report {
		r := observe.FromError(c.Text(observe.OpenCall(path, flags)), nil)
		if worked, look := use(fd); look != "" {
			return r.Saw(worked, look)
		}
		return r
	})
	if r.Outcome != observe.Allowed {
		r = r.Saw(false, "the file is not open")
	}
	return r
}

// Opens opens a file in the ways that Open with these flags does not. None of
// them truncates.
func Opens(path string, flags int) (list []observe.Variant) {
	open := func(args string, open func() (int, error)) {
		fd, err := open()
		if err == nil {
			unix.Close(fd)
		}
		list = append(list, observe.FromError(args, err).Vary(args))
	}
	for _, mode := range []int{unix.O_RDWR, flags | unix.O_APPEND, flags | unix.O_NONBLOCK} {
		if mode != flags {
			args := observe.OpenCall(path, mode)
			open(args, func() (int, error) { return unix.Open(path, mode|unix.O_CLOEXEC, 0) })
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

// Nothing does nothing with the file.
func Nothing(int) (bool, string) { return false, "" }

// ReadsText wants the text that the lab's files hold from boot.
func ReadsText(fd int) (bool, string) {
	text, err := observe.ReadAll(fd, 0)
	return text == labText, fmt.Sprintf("read = %q%s", text, err)
}

// mark is what the child writes: no other task has its text.
func mark() string { return fmt.Sprintf("ldlab %d\n", os.Getpid()) }

// ReadsMark writes to one of the files that share a text and reads it from this
// one. Nothing is known if the other cannot be written.
func ReadsMark(fd int) (bool, string) {
	if observe.WriteText(LabDir+"/w0200", mark()).Outcome != observe.Allowed {
		return false, ""
	}
	defer observe.WriteText(LabDir+"/w0200", labText)
	text, err := observe.ReadAll(fd, 0)
	return text == mark(), fmt.Sprintf("read = %q%s", text, err)
}

// WritesMark writes to this file and reads it from another one of those that
// share a text. Nothing is known if the other cannot be read.
func WritesMark(fd int) (bool, string) {
	if _, err := unix.Write(fd, []byte(mark())); err != nil {
		return false, observe.CallText("write", err)
	}
	defer unix.Write(fd, []byte(labText))
	text, r := observe.ReadText(LabDir + "/rw0600")
	if r.Outcome != observe.Allowed {
		return false, ""
	}
	return text == strings.TrimSuffix(mark(), "\n"), fmt.Sprintf("%s: %q", r.Call, text)
}

// Ioctl issues the lab's ioctl, which does nothing and succeeds.
func Ioctl(fd int) (bool, string) {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlLab, 0)
	if e != 0 {
		return false, observe.CallText("ioctl(_IO('L', 0))", e)
	}
	return true, observe.CallText("ioctl(_IO('L', 0))", nil)
}

// Mmap maps the lab's page, which is zero, and reads it.
func Mmap(fd int) (bool, string) {
	m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false, observe.CallText("mmap(PROT_READ)", err)
	}
	defer unix.Munmap(m)
	return m[0] == 0, fmt.Sprintf("mmap(PROT_READ) = ok, and the first byte is %d", m[0])
}

// WriteBackLab writes the initial content to a file of the lab series.
func WriteBackLab(fd int) observe.Report {
	_, err := unix.Write(fd, []byte(labText))
	return observe.FromError(`write("`+LabDir+`/rw0600", "ldlab\n")`, err)
}

// HasKprobe reports whether a function has a kprobe, and whether that is known.
// The file stays readable if debugfs is locked, because its mode is 0400.
func HasKprobe(function string) (has, known bool) {
	f, err := os.Open(Dir + "/kprobes/list")
	if err != nil {
		return false, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		has = has || strings.Contains(s.Text(), " "+function+"+") // ffffffff8114aa10  k  vfs_read+0x0    [DISABLED]
	}
	return has, true
}
