package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
)

// maxStateFile bounds what is read of one file, in bytes.
const maxStateFile = 64 << 10

// readState reads the kernel's version, command line and lockdown files. What
// cannot be read is in Errors.
func readState(when string) *guestproto.State {
	s := &guestproto.State{When: when}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		s.Errors = append(s.Errors, fmt.Sprintf("uname: %v", err))
	}
	s.Release = unix.ByteSliceToString(u.Release[:])
	s.Version = unix.ByteSliceToString(u.Version[:])
	s.Machine = unix.ByteSliceToString(u.Machine[:])
	for _, f := range []struct {
		to       *string
		path     string
		optional bool
	}{
		{&s.Cmdline, "/proc/cmdline", false},
		{&s.LSM, lockdown.LSMFile, false},
		{&s.Level, lockdown.LevelFile, false},
		{&s.Reasons, lockdown.ReasonsFile, true},
	} {
		text, err := readBounded(f.path)
		if err != nil && !(f.optional && errors.Is(err, fs.ErrNotExist)) {
			s.Errors = append(s.Errors, err.Error())
		}
		*f.to = text
	}
	tainted, _ := readBounded("/proc/sys/kernel/tainted")
	locks, _ := readBounded("/proc/lockdep_stats") // of few kernels
	s.Splats = klog.Traces(tainted, locks)
	return s
}

// readBounded reads at most maxStateFile bytes of a file of the kernel, unchanged.
func readBounded(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 512)
	for len(b) < maxStateFile {
		b = slices.Grow(b, 1)
		n, err := pipe(fd).Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		}
	}
	return string(b[:min(len(b), maxStateFile)]), nil
}
