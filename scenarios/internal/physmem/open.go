package physmem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// An opening is a way to open a device.
type opening struct {
	name  string
	flags int
}

var openings = []opening{
	{"O_WRONLY", unix.O_WRONLY},
	{"O_RDWR", unix.O_RDWR},
	{"O_RDONLY|O_SYNC", unix.O_RDONLY | unix.O_SYNC},
	{"O_RDWR|O_DSYNC", unix.O_RDWR | unix.O_DSYNC},
	{"O_RDONLY|O_NONBLOCK", unix.O_RDONLY | unix.O_NONBLOCK},
	{"O_WRONLY|O_APPEND", unix.O_WRONLY | unix.O_APPEND},
	{"O_RDONLY|O_LARGEFILE|O_NOATIME", unix.O_RDONLY | 0o100000 | unix.O_NOATIME},
	{"O_RDWR|O_CREAT", unix.O_RDWR | unix.O_CREAT},
	{"O_RDWR|O_TRUNC", unix.O_RDWR | unix.O_TRUNC},
	{"access mode 3", unix.O_ACCMODE}, // for ioctls alone: open(2)
}

// OpenMore opens a memory device with other flags, through another handle and
// through another node.
func OpenMore(path string, write bool) (list []observe.Variant) {
	for _, o := range openings {
		if reads := o.flags&unix.O_ACCMODE == unix.O_RDONLY; reads != write {
			_, r := openAndClose(path, o.flags)
			list = append(list, r.Vary(o.name))
		}
	}
	flags, mode := unix.O_RDONLY, ""
	if write {
		flags, mode = unix.O_RDWR, ", O_RDWR"
	}
	return append(list, openHandle(path, flags).Vary("through a handle of O_PATH"+mode), openNode(path, flags).Vary("through another node"+mode))
}

func openAndClose(path string, flags int) (int, observe.Report) {
	fd, r := observe.Open(path, flags)
	if r.Outcome == observe.Allowed {
		unix.Close(fd)
	}
	return fd, r
}

// openHandle opens a file through a descriptor that is only a handle.
func openHandle(path string, flags int) observe.Report {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return observe.SetupFailed(fmt.Sprintf("open(%q, O_PATH)", path), err)
	}
	defer unix.Close(fd)
	_, r := openAndClose(fmt.Sprintf("/proc/self/fd/%d", fd), flags)
	return r
}

// openNode makes another node of a memory device and opens that.
func openNode(path string, flags int) observe.Report {
	minor := uint32(memMinor)
	if path == PortFile {
		minor = portMinor
	}
	node := fmt.Sprintf("/dev/ldlab-%d", os.Getpid())
	if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(memMajor, minor))); err != nil {
		return observe.SetupFailed(fmt.Sprintf("mknod(%q)", node), err)
	}
	defer unix.Unlink(node)
	_, r := openAndClose(node, flags)
	return r
}
