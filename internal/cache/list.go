package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// An Entry is an entry as List finds it.
type Entry struct {
	ID    ID
	Path  string
	Size  int64     // bytes on disk; files that entries share by hard links count for each
	Used  time.Time // last use, or last change if it was not used since ldlab records uses
	InUse bool      // another process or this one has a lease

	files   usage
	hasLock bool // it was used since ldlab records uses
}

// usage is what an entry has on disk.
type usage struct {
	alone  int64           // bytes of files with one name
	shared map[inode]int64 // bytes of files with several names, be they in other entries
}

type inode struct{ dev, ino uint64 }

// A Listing is what is in a cache.
type Listing struct {
	Entries []Entry // by kind, then name
	Size    int64   // bytes on disk of all of them; shared files count once
}

// List lists the entries of the kinds, or of all kinds. It reads the names and
// sizes of all their files, which takes seconds for many working trees. A cache
// that does not exist is empty. The error is ErrNotOurs, the context's cause,
// or that of reading the directory. Symbolic links are not followed, and what
// does not look like an entry is passed over.
func (c *Cache) List(ctx context.Context, kinds ...Kind) (Listing, error) {
	root, err := c.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return Listing{}, nil
	}
	if err != nil {
		return Listing{}, err
	}
	defer root.Close()
	var list Listing
	for _, kind := range Kinds() {
		if len(kinds) > 0 && !slices.Contains(kinds, kind) {
			continue
		}
		names, err := entryNames(root, kind)
		if err != nil {
			return Listing{}, fmt.Errorf("list cache: %w", err)
		}
		for _, name := range names {
			e, err := c.look(ctx, root, ID{kind, name})
			switch {
			case ctx.Err() != nil:
				return Listing{}, context.Cause(ctx)
			case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			case err != nil:
				return Listing{}, fmt.Errorf("list cache: %w", err)
			default:
				list.Entries = append(list.Entries, e)
			}
		}
	}
	list.Size = newTally(list.Entries).size
	return list, nil
}

// entryNames are the names of the entries of a kind, sorted.
func entryNames(root *os.Root, kind Kind) ([]string, error) {
	l := layouts[kind]
	dirs := []string{l.dir}
	if l.dir != "." && !isDir(root, l.dir) {
		return nil, nil
	}
	if l.nested {
		slots, err := fs.ReadDir(root.FS(), l.dir)
		if err != nil {
			return nil, err
		}
		dirs = nil
		for _, s := range slots {
			if s.IsDir() {
				dirs = append(dirs, path.Join(l.dir, s.Name()))
			}
		}
	}
	var names []string
	for _, dir := range dirs {
		files, err := fs.ReadDir(root.FS(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			full := path.Join(dir, f.Name())
			name := strings.TrimPrefix(full, l.dir+"/")
			if l.name.MatchString(name) && isEntry(root, full, f, l) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func isEntry(root *os.Root, full string, f fs.DirEntry, l layout) bool {
	if l.contains == nil {
		return f.Type().IsRegular()
	}
	if !f.IsDir() || l.nested && f.Name() == "new" { // a source on its way
		return false
	}
	return slices.ContainsFunc(l.contains, func(name string) bool {
		_, err := root.Lstat(path.Join(full, name))
		return err == nil
	})
}

// look measures an entry.
func (c *Cache) look(ctx context.Context, root *os.Root, id ID) (Entry, error) {
	e := Entry{ID: id, Path: c.Path(id), files: usage{shared: map[inode]int64{}}}
	name := path.Join(layouts[id.Kind].dir, id.Name)
	info, err := root.Lstat(name)
	if err != nil {
		return e, err
	}
	e.Used = info.ModTime()
	if lock, err := os.Stat(c.lockPath(id)); err == nil {
		e.Used, e.hasLock = lock.ModTime(), true
		if l, ok := c.tryLock(id); ok {
			l.Close()
		} else {
			e.InUse = true
		}
	}
	err = fs.WalkDir(root.FS(), name, func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				e.add(info)
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // make works in a tree while it is listed
		}
		return err
	})
	return e, err
}

// add counts a file.
func (e *Entry) add(info fs.FileInfo) {
	stat := info.Sys().(*syscall.Stat_t)
	size := stat.Blocks * 512 // stat(2)
	e.Size += size
	if stat.Nlink > 1 && info.Mode().IsRegular() {
		e.files.shared[inode{uint64(stat.Dev), stat.Ino}] = size
	} else {
		e.files.alone += size
	}
}

// A tally is the size of entries together, and of what is left if one is removed.
type tally struct {
	size  int64
	names map[inode]int // entries that have the file
}

func newTally(entries []Entry) *tally {
	t := &tally{names: map[inode]int{}}
	for _, e := range entries {
		t.size += e.files.alone
		for file, size := range e.files.shared {
			if t.names[file]++; t.names[file] == 1 {
				t.size += size
			}
		}
	}
	return t
}

func (t *tally) remove(e Entry) {
	t.size -= e.files.alone
	for file, size := range e.files.shared {
		if t.names[file]--; t.names[file] == 0 {
			t.size -= size
		}
	}
}

// oldestFirst sorts by last use, then by name.
func oldestFirst(entries []Entry) []Entry {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(a.ID.Kind, b.ID.Kind), cmp.Compare(a.ID.Name, b.ID.Name))
	})
	return entries
}
