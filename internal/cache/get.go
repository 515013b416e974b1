package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A Recipe makes an entry.
type Recipe struct {
	ID ID

	// Check reports whether the entry at path is intact: the error is
	// fs.ErrNotExist if it is not there. Nil: the entry is a file, Get writes its
	// checksum beside it, and CheckFile checks it.
	Check func(path string) error

	// Make makes the entry at path, where nothing is. It may use other names in
	// the same directory, which is removed afterwards.
	Make func(ctx context.Context, path string) error
}

// Get returns the entry with a lease, made if it is not there or not intact.
// Only one process makes it; others wait. The error is that of Make, the
// context's cause, or the cache's, which begins with "open cache" or "write
// cache".
func (c *Cache) Get(ctx context.Context, r Recipe) (lease *Lease, cached bool, err error) {
	check := r.Check
	if check == nil {
		check = func(path string) error { _, err := CheckFile(path); return err }
	}
	if lease, err := c.Use(ctx, r.ID); err == nil {
		if check(lease.Path) == nil {
			return lease, true, nil
		}
		lease.Close()
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, false, err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, false, fmt.Errorf("open cache: %w", err)
	}
	lease, err = c.Lock(ctx, r.ID)
	if err != nil {
		return nil, false, err
	}
	// Another process may have made it while this one waited.
	err = check(lease.Path)
	cached = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.note(fmt.Sprintf("cache entry %s: %v; made again", r.ID, err))
	}
	if !cached {
		if err := c.make(ctx, r); err != nil {
			lease.Close()
			return nil, false, err
		}
	}
	// Others may use it from now on. flock(2) gives the old lock up before it
	// takes the new one, so somebody else may be faster.
	if ok, err := lease.lock.TryRLock(); err == nil && ok {
		return lease, cached, nil
	}
	lease.Close()
	again, _, err := c.Get(ctx, r)
	return again, cached, err
}

// make makes an entry whose lock is held.
func (c *Cache) make(ctx context.Context, r Recipe) (err error) {
	tmp := c.tmpPath(r.ID)
	if err := os.RemoveAll(tmp); err != nil { // of a maker that was killed
		return fmt.Errorf("write cache: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "made")
	if err := r.Make(ctx, made); err != nil {
		return err
	}
	if err := c.store(r.ID, made, r.Check == nil); err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	return nil
}

// tmpPath is the directory in which an entry is made.
func (c *Cache) tmpPath(id ID) string {
	return filepath.Join(c.dir, "tmp", string(id.Kind)+"-"+strings.ReplaceAll(id.Name, "/", "+"))
}

// store gives what was made its name.
func (c *Cache) store(id ID, made string, sums bool) error {
	path := c.Path(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	info, err := os.Stat(made)
	if err != nil {
		return err
	}
	if info.IsDir() {
		// A directory does not replace another one that has files.
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.Rename(made, path)
	}
	if !sums {
		return os.Rename(made, path)
	}
	// The checksum first: a file without one counts as absent, and one with
	// another's as damaged, so a crash between the two is noticed.
	sum, size, err := SumFile(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(made+".sum", fmt.Appendf(nil, "%s %d\n", sum, size), 0o644); err != nil {
		return err
	}
	if err := os.Rename(made+".sum", c.sumPath(id)); err != nil {
		return err
	}
	return os.Rename(made, path)
}
