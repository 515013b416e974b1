package observe

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
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

// OtherFlags are flags of open(2) on which a check must not depend that is made when
// the file is written.
var OtherFlags = []struct {
	Name  string
	Flags int
}{{"O_NONBLOCK", unix.O_NONBLOCK}, {"O_APPEND", unix.O_APPEND}, {"O_SYNC", unix.O_SYNC}}

// OpenMore opens a device with other flags, through another handle and through
// another node: those ways that only read, or those that write.
func OpenMore(path string, write bool) (list []Variant) {
	for _, o := range openings {
		if reads := o.flags&unix.O_ACCMODE == unix.O_RDONLY; reads != write {
			list = append(list, WithFile(path, o.flags, nil).Vary(o.name))
		}
	}
	flags, mode := unix.O_RDONLY, ""
	if write {
		flags, mode = unix.O_RDWR, ", O_RDWR"
	}
	return append(list, OpenHandle(path, flags).Vary("through a handle of O_PATH"+mode), openNode(path, flags).Vary("through another node"+mode))
}

// OpenFlags opens a file with other flags.
func OpenFlags(path string) (list []Variant) {
	for _, o := range openings {
		list = append(list, WithFile(path, o.flags, nil).Vary(o.name))
	}
	return list
}

// OpenHandle opens a file through a descriptor that is only a handle.
func OpenHandle(path string, flags int) Report {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return SetupFailed(fmt.Sprintf("open(%q, O_PATH)", path), err)
	}
	defer unix.Close(fd)
	return WithFile(fmt.Sprintf("/proc/self/fd/%d", fd), flags, nil)
}

// openNode makes another node of a device and opens that.
func openNode(path string, flags int) Report {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return SetupFailed(fmt.Sprintf("stat(%q)", path), err)
	}
	node := fmt.Sprintf("/dev/ldlab-%d", os.Getpid())
	if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(st.Rdev)); err != nil {
		return SetupFailed(fmt.Sprintf("mknod(%q)", node), err)
	}
	defer unix.Unlink(node)
	return WithFile(node, flags, nil)
}
