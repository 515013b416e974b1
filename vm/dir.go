package vm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

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

// A machineDir is one machine's directory. It is locked while the machine
// lives. The kernel drops the lock when the lab dies, so Sweep can tell
// abandoned directories from those in use.
type machineDir struct {
	path   string
	name   string   // in parent
	parent *os.Root // checked by openParent
	lock   *os.File // the directory itself
}

// newDir makes a locked directory in parent, and parent itself if it is
// missing. It waits for a Sweep until ctx ends.
func newDir(ctx context.Context, parent string) (d *machineDir, err error) {
	if err := os.MkdirAll(filepath.Dir(parent), 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	root, err := openParent(parent)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			root.Close()
		}
	}()
	// Shared: several machines may be made at once, but no Sweep may see a
	// directory before it is locked.
	shared, err := lockDir(ctx, root, ".", unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer shared.Close()
	name := dirPrefix + rand.Text()
	if err := root.Mkdir(name, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	lock, err := tryLock(root, name, unix.LOCK_EX)
	if err != nil {
		return nil, errors.Join(err, root.Remove(name))
	}
	return &machineDir{filepath.Join(parent, name), name, root, lock}, nil
}

// openParent opens a directory in which machines are made and removed. It
// refuses a symlink, and a directory that another user owns or may enter:
// that user could delete a running machine's files, read consoles, or have
// Sweep remove what is not the lab's.
func openParent(path string) (*os.Root, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("open directory %s: is not a directory but %s", path, kindOf(named.Mode()))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if err := checkParent(root, named); err != nil {
		root.Close()
		return nil, fmt.Errorf("open directory %s: %w", path, err)
	}
	return root, nil
}

// checkParent checks what was opened, because the name may mean something else
// by now.
func checkParent(root *os.Root, named fs.FileInfo) error {
	opened, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(named, opened) {
		return errors.New("was replaced while it was opened")
	}
	owner := opened.Sys().(*syscall.Stat_t).Uid
	if owner != uint32(os.Geteuid()) {
		return fmt.Errorf("belongs to user %d, not to %d", owner, os.Geteuid())
	}
	if mode := opened.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("is open to other users (mode %#o): run chmod 700, or remove it", mode)
	}
	return nil
}

// kindOf names a file type.
func kindOf(mode fs.FileMode) string {
	if mode&fs.ModeSymlink != 0 {
		return "a symlink"
	}
	return "a file"
}

func (d *machineDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory up, and removes it unless keep.
func (d *machineDir) close(keep bool) error {
	defer d.parent.Close()
	defer d.lock.Close()
	if keep {
		if err := d.parent.WriteFile(filepath.Join(d.name, keepFile), nil, 0o600); err != nil {
			return fmt.Errorf("keep directory: %w", err)
		}
		return nil
	}
	if err := d.parent.RemoveAll(d.name); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

// Sweep removes from parent ("": DefaultDir()) the directories of machines
// whose lab was killed. Those of running machines and those that were kept on
// purpose stay. It is an error if parent is a symlink, belongs to another user
// or is open to other users. Sweep waits for machines that are being made until
// ctx ends.
func Sweep(ctx context.Context, parent string) error {
	if parent == "" {
		parent = DefaultDir()
	}
	root, err := openParent(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep machines: %w", err)
	}
	defer root.Close()
	lock, err := lockDir(ctx, root, ".", unix.LOCK_EX)
	if err != nil {
		return fmt.Errorf("sweep machines: %w", err)
	}
	defer lock.Close()
	entries, err := lock.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("sweep machines: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), dirPrefix) {
			errs = append(errs, sweepOne(root, e.Name()))
		}
	}
	return errors.Join(errs...)
}

func sweepOne(root *os.Root, name string) error {
	lock, err := tryLock(root, name, unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil // in use, or just removed by its owner
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := root.Lstat(filepath.Join(name, keepFile)); err == nil {
		return nil
	}
	if err := root.RemoveAll(name); err != nil {
		return fmt.Errorf("sweep machine: %w", err)
	}
	return nil
}

// lockInterval is the time between two tries of lockDir.
const lockInterval = 5 * time.Millisecond

// lockDir locks a directory in root, and waits for whoever has the lock until
// ctx ends. Closing the result unlocks.
func lockDir(ctx context.Context, root *os.Root, name string, how int) (*os.File, error) {
	for {
		f, err := tryLock(root, name, how)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of %s: %w", root.Name(), context.Cause(ctx))
		case <-time.After(lockInterval):
		}
	}
}

// tryLock is lockDir without waiting: the error is EWOULDBLOCK if somebody has
// the lock.
func tryLock(root *os.Root, name string, how int) (*os.File, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", filepath.Join(root.Name(), name), err)
	}
	return f, nil
}
