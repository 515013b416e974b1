package observe

import "golang.org/x/sys/unix"

// An Opener opens a file for an act.
type Opener func(path string, flags int) (fd int, err error)

// opener is how this process's acts open their files; nil: with open(2).
var opener Opener

func open(path string, flags int) (int, error) {
	if opener != nil {
		return opener(path, flags)
	}
	return unix.Open(path, flags|unix.O_CLOEXEC, 0)
}

// OpenedBy does something whose acts open their files with o.
func OpenedBy(o Opener, do func()) {
	was := opener
	opener = o
	defer func() { opener = was }()
	do()
}

// Files are open files, each of which acts open once: the next time they get a
// descriptor of the same file. So what the kernel keeps of a file stays.
type Files struct {
	open map[opened]int // a descriptor
}

type opened struct {
	path  string
	flags int
}

// Do does something whose acts open those files.
func (f *Files) Do(do func()) { OpenedBy(f.again, do) }

// Len is how many files there are.
func (f *Files) Len() int { return len(f.open) }

// again opens a file for the first time, or gives another descriptor of it, at its
// beginning.
func (f *Files) again(path string, flags int) (int, error) {
	key := opened{path, flags}
	fd, ok := f.open[key]
	if !ok {
		var err error
		if fd, err = unix.Open(path, flags|unix.O_CLOEXEC, 0); err != nil {
			return fd, err
		}
		if f.open == nil {
			f.open = map[opened]int{}
		}
		f.open[key] = fd
	}
	_, _ = unix.Seek(fd, 0, unix.SEEK_SET) // a pipe has no position
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// Close closes them.
func (f *Files) Close() {
	for _, fd := range f.open {
		unix.Close(fd)
	}
	f.open = nil
}
