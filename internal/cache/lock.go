package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// A Lease is a lock on an entry. While it is held, the entry is not removed.
// The kernel releases the leases of a process that ends.
type Lease struct {
	Path string // of the entry
	File File   // set by Get if the recipe has no Check
	lock *flock.Flock
}

// Close releases the lease.
func (l *Lease) Close() {
	if l != nil && l.lock != nil {
		l.lock.Close() // an error would be that of close(2), which unlocks all the same
	}
}

var held struct {
	sync.Mutex
	leases map[string]*Lease // by path of the lock
}

// Hold keeps the lease until this process ends, because nobody knows when the
// last guest has read the entry. Further leases of the same entry are released.
func (l *Lease) Hold() {
	if l == nil || l.lock == nil {
		return
	}
	held.Lock()
	defer held.Unlock()
	if held.leases[l.lock.Path()] != nil {
		l.Close()
		return
	}
	if held.leases == nil {
		held.leases = map[string]*Lease{}
	}
	held.leases[l.lock.Path()] = l
}

// lockInterval is how often a lock is tried that another process has.
const lockInterval = 50 * time.Millisecond

// noticeAfter is how long a lock is waited for before the user is told. A
// listing takes each lock for a moment.
var noticeAfter = time.Second

// Lock waits until this is the only user of the entry, which need not exist,
// and records its use. The error is the context's cause, or why the lock cannot
// be taken.
func (c *Cache) Lock(ctx context.Context, id ID) (*Lease, error) {
	return c.lock(ctx, id, lockSuffix, true)
}

// Use waits until nobody makes or removes the entry, and records its use. The
// error is fs.ErrNotExist if there is no such entry. In a cache that this user
// cannot write to, the lease is empty.
func (c *Cache) Use(ctx context.Context, id ID) (*Lease, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("use cache: %w", err)
	}
	if _, err := os.Stat(c.Path(id)); err != nil {
		return nil, fmt.Errorf("use cache: %w", err)
	}
	l, err := c.lock(ctx, id, lockSuffix, false)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return &Lease{Path: c.Path(id)}, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.Path(id)); err != nil { // removed while this waited
		l.Close()
		return nil, fmt.Errorf("use cache: %w", err)
	}
	return l, nil
}

// lockPath is the file that is locked for an entry. An entry's own directory
// has no lock: it would be removed together with the entry.
func (c *Cache) lockPath(id ID) string { return c.lockFile(id, lockSuffix) }

func (c *Cache) lockFile(id ID, suffix string) string {
	return filepath.Join(c.dir, "locks", string(id.Kind), filepath.FromSlash(id.Name)+suffix)
}

// An entry has two locks. Users share the first, and whoever removes the entry
// has it alone. A maker is a user that has the second lock alone: it may replace
// a damaged entry while others still read the old one.
const (
	lockSuffix = ".lock"
	makeSuffix = ".make"
)

func (c *Cache) lock(ctx context.Context, id ID, suffix string, exclusive bool) (*Lease, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	path := c.lockFile(id, suffix)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	for {
		l := flock.New(path, flock.SetPermissions(0o644))
		if err := c.wait(ctx, l, exclusive, id); err != nil {
			l.Close()
			return nil, fmt.Errorf("lock cache: %w", err)
		}
		if stillAt(l, path) {
			now := time.Now()
			if err := os.Chtimes(path, now, now); err != nil {
				l.Close()
				return nil, fmt.Errorf("lock cache: %w", err)
			}
			return &Lease{Path: c.Path(id), lock: l}, nil
		}
		l.Close() // the entry was removed, and its lock with it
	}
}

// wait takes a lock, and tells the user if that takes long.
func (c *Cache) wait(ctx context.Context, l *flock.Flock, exclusive bool, id ID) error {
	try := l.TryRLockContext
	if exclusive {
		try = l.TryLockContext
	}
	soon, cancel := context.WithTimeout(ctx, noticeAfter)
	defer cancel()
	_, err := try(soon, lockInterval)
	if err != nil && soon.Err() != nil && ctx.Err() == nil {
		c.note("waiting for another ldlab that uses " + id.String())
		_, err = try(ctx, lockInterval)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// tryLock locks the entry if nobody uses it. An entry without a lock file was
// not used since there are locks.
func (c *Cache) tryLock(id ID) (*flock.Flock, bool) {
	path := c.lockPath(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, false
	}
	l := flock.New(path, flock.SetPermissions(0o644))
	if ok, err := l.TryLock(); err != nil || !ok || !stillAt(l, path) {
		l.Close()
		return nil, false
	}
	return l, true
}

// stillAt reports whether the locked file has its name still.
func stillAt(l *flock.Flock, path string) bool {
	locked, err1 := l.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(locked, named)
}
