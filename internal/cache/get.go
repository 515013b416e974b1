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
	var file File
	if check == nil {
		check = func(path string) (err error) { file, err = CheckFile(path); return err }
	}
	lease, err = c.Use(ctx, r.ID)
	switch {
	case err == nil:
		if check(lease.Path) == nil {
			lease.File = file
			return lease, true, nil
		}
		lease.Close()
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return nil, false, err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, false, fmt.Errorf("open cache: %w", err)
	}
	if lease, err = c.lock(ctx, r.ID, lockSuffix, false); err != nil {
		return nil, false, err
	}
	maker, err := c.lock(ctx, r.ID, makeSuffix, true)
	if err != nil {
		lease.Close()
		return nil, false, err
	}
	defer maker.Close()
	// Another process may have made it while this one waited.
	err = check(lease.Path)
	cached = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.note(fmt.Sprintf("cache entry %s: %v; made again", r.ID, err))
	}
	if !cached {
		if file, err = c.make(ctx, r); err != nil {
			lease.Close()
			return nil, false, err
		}
	}
	lease.File = file
	return lease, cached, nil
}

// make makes an entry. The caller has its maker's lock.
func (c *Cache) make(ctx context.Context, r Recipe) (File, error) {
	tmp := c.tmpPath(r.ID)
	if err := os.RemoveAll(tmp); err != nil { // of a maker that was killed
		return File{}, fmt.Errorf("write cache: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return File{}, fmt.Errorf("write cache: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "made")
	if err := r.Make(ctx, made); err != nil {
		return File{}, err
	}
	file, err := c.store(r.ID, made, r.Check == nil)
	if err != nil {
		return File{}, fmt.Errorf("write cache: %w", err)
	}
	return file, nil
}

// tmpPath is the directory in which an entry is made.
func (c *Cache) tmpPath(id ID) string {
	return filepath.Join(c.dir, "tmp", string(id.Kind)+"-"+strings.ReplaceAll(id.Name, "/", "+"))
}

// store gives what was made its name.
func (c *Cache) store(id ID, made string, sums bool) (File, error) {
	path := c.Path(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return File{}, err
	}
	info, err := os.Stat(made)
	if err != nil {
		return File{}, err
	}
	if info.IsDir() {
		// A directory does not replace another one that has files.
		if err := os.RemoveAll(path); err != nil {
			return File{}, err
		}
		return File{}, os.Rename(made, path)
	}
	if !sums {
		return File{}, os.Rename(made, path)
	}
	// The checksum first: a file without one counts as absent, and one with
	// another's as damaged, so a crash between the two is noticed.
	sum, size, err := SumFile(made)
	if err != nil {
		return File{}, err
	}
	if err := os.WriteFile(made+".sum", fmt.Appendf(nil, "%s %d\n", sum, size), 0o644); err != nil {
		return File{}, err
	}
	if err := os.Rename(made+".sum", c.sumPath(id)); err != nil {
		return File{}, err
	}
	return File{sum, size}, os.Rename(made, path)
}
