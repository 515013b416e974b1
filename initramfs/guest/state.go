package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/wire"
	"github.com/ldlab/ldlab/lockdown"
)

// maxStateFile bounds what is read of one file, in bytes.
const maxStateFile = 64 << 10

// readState asks the kernel what it is and what is locked.
func readState(when string) *wire.State {
	s := &wire.State{When: when}
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
	return s
}

// readBounded reads a small file of the kernel's, as it is.
func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStateFile))
	return string(b), err
}

// lock does the writes of a setting that is delivered at run time, each as
// one write(2): the kernel takes a whole command at a time.
func lock(writes []lockdown.Write) error {
	for _, w := range writes {
		fd, err := unix.Open(w.File, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("lock: open %s: %w", w.File, err)
		}
		n, err := unix.Write(fd, []byte(w.Data))
		unix.Close(fd)
		if err == nil && n != len(w.Data) {
			err = fmt.Errorf("took %d of %d bytes", n, len(w.Data))
		}
		if err != nil {
			name := err.Error()
			if e, ok := err.(unix.Errno); ok {
				name = unix.ErrnoName(e)
			}
			return fmt.Errorf("lock: write(%q, %q): %s", w.File, w.Data, name)
		}
	}
	return nil
}
