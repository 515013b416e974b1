package power

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// SNAPSHOT_PREF_IMAGE_SIZE, which sets /sys/power/image_size:
// include/uapi/linux/suspend_ioctls.h, v6.12.
const prefImageSize = 0x3312

// OpenSnapshot opens the device through which user space suspends and resumes,
// and looks whether the descriptor works: an ioctl changes the size of the image
// that the kernel aims at, and puts it back.
func OpenSnapshot(flags int) observe.Report {
	fd, r := openSnapshot(flags)
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(fd)
	happened, look, err := tryImageSize(fd)
	if err != nil {
		return observe.SetupFailed(look, err)
	}
	return r.Saw(happened, look)
}

// KeepSnapshot opens the device and returns the act on the descriptor. The act
// makes no memory image, because every other task would be frozen for that.
func KeepSnapshot() (func() observe.Report, observe.Report) {
	fd, r := openSnapshot(unix.O_RDONLY)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report {
		defer unix.Close(fd)
		happened, look, err := tryImageSize(fd)
		r := observe.FromError(fmt.Sprintf("ioctl(%q, SNAPSHOT_PREF_IMAGE_SIZE)", SnapshotFile), err)
		return r.Saw(happened, look)
	}, r
}

// openSnapshot opens the device. If that is denied, there is nothing to look at.
func openSnapshot(flags int) (int, observe.Report) {
	fd, r := observe.Open(SnapshotFile, flags)
	if r.Outcome == observe.Denied {
		r = r.Saw(false, "there is no descriptor")
	}
	return fd, r
}

// tryImageSize sets another size through the descriptor, reads it from the other
// file, and puts it back.
func tryImageSize(fd int) (happened bool, look string, err error) {
	was, r := observe.ReadText(ImageSizeFile)
	size, bad := strconv.Atoi(was)
	if r.Outcome != observe.Allowed || bad != nil {
		return false, r.Call, fmt.Errorf("no size: %q", was)
	}
	other := strconv.Itoa(size ^ 4096)
	err = unix.IoctlSetInt(fd, prefImageSize, size^4096)
	is, r := observe.ReadText(ImageSizeFile)
	look = fmt.Sprintf("read(%q) = %q", ImageSizeFile, is)
	if is != was {
		if back := observe.WriteText(ImageSizeFile, was); back.Outcome != observe.Allowed {
			look += ", and cannot be put back: " + back.Errno
		}
	}
	return r.Outcome == observe.Allowed && is == other, look, err
}
