package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Names inside a parent directory and inside a machine's.
const (
	dirPrefix   = "vm-"
	consoleFile = "console.log"
	stderrFile  = "qemu.stderr"
	commandFile = "command"
	keepFile    = "keep"
)

// A machineDir is one machine's directory. It is locked for as long as the
// machine lives: the kernel drops the lock when the lab dies, however it
// dies, and that is how Sweep tells the dead from the living.
type machineDir struct {
	path string
	lock *os.File // the directory itself
}

// newDir makes a locked directory in parent, which it makes too if need be.
func newDir(parent string) (*machineDir, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	// Shared: creators do not mind each other, but no Sweep may see the
	// directory before it is locked.
	unlock, err := lockDir(parent, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer unlock.Close()
	path, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	lock, err := lockDir(path, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &machineDir{path, lock}, nil
}

func (d *machineDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory up, and removes it unless keep.
func (d *machineDir) close(keep bool) error {
	defer d.lock.Close()
	if keep {
		if err := os.WriteFile(d.file(keepFile), nil, 0o600); err != nil {
			return fmt.Errorf("keep directory: %w", err)
		}
		return nil
	}
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

// Sweep removes from parent ("": DefaultDir()) the directories of machines
// whose lab died without a chance to. Those of running machines stay, those
// kept on purpose too.
func Sweep(parent string) error {
	if parent == "" {
		parent = DefaultDir()
	}
	unlock, err := lockDir(parent, unix.LOCK_EX)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock.Close()
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("sweep machines: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), dirPrefix) {
			errs = append(errs, sweepOne(filepath.Join(parent, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func sweepOne(path string) error {
	lock, err := lockDir(path, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil // alive, or its owner was just closing it
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Lstat(filepath.Join(path, keepFile)); err == nil {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("sweep machine: %w", err)
	}
	return nil
}

// lockDir opens and locks a directory; closing it unlocks.
func lockDir(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
