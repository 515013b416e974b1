// Package debugfs uses the files of debugfs, mostly those of the lab series.
package debugfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	Dir    = "/sys/kernel/debug"
	LabDir = Dir + "/ldlab" // the files of the lab series, CONFIG_LDLAB_DEBUGFS

	// _IO('L', 0), the only ioctl of the lab's files.
	ioctlLab = 0x4c00
)

// LabFile reports the missing option if a file of the lab series does not
// exist.
func LabFile(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_LDLAB_DEBUGFS", unix.ENOENT)
}

func Ioctl(path string) observe.Report {
	return observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlLab, 0)
		var err error
		if e != 0 {
			err = e
		}
		return observe.FromError(fmt.Sprintf("ioctl(%q, _IO('L', 0))", path), err)
	})
}

func Mmap(path string) observe.Report {
	return observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		if err == nil {
			unix.Munmap(m)
		}
		return observe.FromError(fmt.Sprintf("mmap(%q, PROT_READ)", path), err)
	})
}

// Chmod changes the mode and restores it.
func Chmod(path string) observe.Report {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return observe.FromError(fmt.Sprintf("stat(%q)", path), err)
	}
	err := unix.Chmod(path, 0o400)
	if err == nil {
		if err := unix.Chmod(path, st.Mode&0o7777); err != nil {
			return observe.SetupFailed("chmod back", err)
		}
	}
	return observe.FromError(fmt.Sprintf("chmod(%q, 0400)", path), err)
}

// Chown changes the owner and restores it.
func Chown(path string) observe.Report {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return observe.FromError(fmt.Sprintf("stat(%q)", path), err)
	}
	err := unix.Chown(path, 1, 1)
	if err == nil {
		if err := unix.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
			return observe.SetupFailed("chown back", err)
		}
	}
	return observe.FromError(fmt.Sprintf("chown(%q, 1, 1)", path), err)
}

// WriteBackLab writes the initial content to a file of the lab series.
func WriteBackLab(fd int) observe.Report {
	_, err := unix.Write(fd, []byte("ldlab\n"))
	return observe.FromError(`write("`+LabDir+`/rw0600", "ldlab\n")`, err)
}
