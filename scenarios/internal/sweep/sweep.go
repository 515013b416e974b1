// Package sweep opens every file of a file system of the kernel's own and holds
// each answer against a rule. It needs no list of the files, so it holds for
// every kernel, whatever its configuration.
package sweep

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A File is a regular file. Symbolic links are left out: what they lead to is a
// file, too.
type File struct {
	Path string // below the root of its file system, with slashes
	Mode uint32 // permissions, as in stat(2)
}

// Writable reports whether the mode has a bit for writing.
func (f File) Writable() bool { return f.Mode&0o222 != 0 }

// A Tree is a mounted file system.
type Tree struct {
	Dir string // where it is mounted

	// Skip names files that are left out, and directories that are not even
	// opened; nil: none.
	Skip func(file string) bool

	// SameMode names groups of files that have the same mode, because stat(2)
	// of thousands of files takes longer than opening them; "" is no group;
	// nil: no groups.
	SameMode func(file string) string
}

// walker is one walk of a tree.
type walker struct {
	Tree
	dev   uint64
	modes map[string]uint32
	files []File
}

// Files lists the files in the order of their paths, without those of file
// systems that are mounted on it.
func (t Tree) Files() ([]File, error) {
	var root unix.Stat_t
	if err := unix.Stat(t.Dir, &root); err != nil {
		return nil, fmt.Errorf("stat %q: %w", t.Dir, err)
	}
	w := walker{Tree: t, dev: uint64(root.Dev), modes: map[string]uint32{}}
	err := w.walk("")
	return w.files, err
}

// walk adds the files of one directory and of those below it.
func (w *walker) walk(dir string) error {
	d, err := os.Open(path.Join(w.Dir, dir))
	if os.IsNotExist(err) && dir != "" {
		return nil // the directory is gone
	}
	if err != nil {
		return err
	}
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil || uint64(st.Dev) != w.dev {
		return err
	}
	entries, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		if w.Skip != nil && w.Skip(file) {
			continue
		}
		switch {
		case e.IsDir():
			if err := w.walk(file); err != nil {
				return err
			}
		case e.Type().IsRegular():
			w.add(int(d.Fd()), e.Name(), file)
		}
	}
	return nil
}

// add adds a file of the directory that fd is.
func (w *walker) add(fd int, name, file string) {
	group := ""
	if w.SameMode != nil {
		group = w.SameMode(file)
	}
	mode, known := w.modes[group]
	if group == "" || !known {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return // the file is gone
		}
		mode = st.Mode & 0o7777
		w.modes[group] = mode
	}
	w.files = append(w.files, File{file, mode})
}

// Named is how many files a report of Open names at most.
const Named = 5

// Open opens each file for which refused returns true, and closes it. The act is
// allowed if one of them opens, and denied if none does and the kernel refuses one
// with EPERM. The report's look counts those that opened, and names up to so many.
//
// A file that answers with another error is not open, and the rule wants no more:
// some open functions have an error of their own for what lockdown refuses
// (kernel/trace/trace.c:trace_options_open, v6.12, ENODEV).
func (t Tree) Open(files []File, flags, named int, refused func(File) bool) observe.Report {
	flags |= unix.O_NONBLOCK | unix.O_NOCTTY
	var opened []string
	errs := map[string]int{}
	n := 0
	for _, f := range files {
		if !refused(f) {
			continue
		}
		n++
		fd, err := unix.Open(path.Join(t.Dir, f.Path), flags|unix.O_CLOEXEC, 0)
		if err != nil {
			errs[observe.ErrnoName(err)]++
			continue
		}
		unix.Close(fd)
		opened = append(opened, f.Path)
	}
	return result(observe.OpenCall(path.Join(t.Dir, "**"), flags), n, named, opened, errs)
}

// OpenElsewhere opens a file of the tree through another mount of its file system,
// which is gone afterwards.
func (t Tree) OpenElsewhere(kind, file string, flags int) observe.Report {
	call := fmt.Sprintf("%s through another mount of %s", observe.OpenCall(path.Join(t.Dir, file), flags), kind)
	dir, err := os.MkdirTemp("/", "ldlab-mount-")
	if err != nil {
		return observe.SetupFailed("mkdir", err)
	}
	defer os.Remove(dir)
	if err := unix.Mount(kind, dir, kind, 0, ""); err != nil {
		return observe.SetupFailed(fmt.Sprintf("mount(%q)", dir), err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	fd, err := unix.Open(path.Join(dir, file), flags|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return observe.FromError(call, err)
}

// OpenBound opens a file of the tree through a bind mount of that file alone, which is
// gone afterwards.
func (t Tree) OpenBound(file string, flags int) observe.Report {
	from := path.Join(t.Dir, file)
	call := fmt.Sprintf("%s through a bind mount of it", observe.OpenCall(from, flags))
	at, err := os.CreateTemp("/", "ldlab-bound-")
	if err != nil {
		return observe.SetupFailed("creat", err)
	}
	at.Close()
	defer os.Remove(at.Name())
	if err := unix.Mount(from, at.Name(), "", unix.MS_BIND, ""); err != nil {
		return observe.SetupFailed(fmt.Sprintf("mount(%q, %q, MS_BIND)", from, at.Name()), err)
	}
	defer unix.Unmount(at.Name(), unix.MNT_DETACH)
	fd, err := unix.Open(at.Name(), flags|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return observe.FromError(call, err)
}

// result is the report on n files.
func result(call string, n, named int, opened []string, errs map[string]int) observe.Report {
	look := fmt.Sprintf("%d of %d files opened", len(opened), n)
	if len(opened) > 0 {
		look += ": " + strings.Join(opened[:min(len(opened), named)], ", ")
	}
	if len(opened) > named {
		look += ", ..."
	}
	var rest []string
	for name, count := range errs {
		rest = append(rest, fmt.Sprintf("%s %d times", name, count))
	}
	slices.Sort(rest)
	if len(rest) > 0 {
		look += "; " + strings.Join(rest, ", ")
	}
	r := observe.FromError(call, nil)
	switch {
	case len(opened) > 0:
	case errs[unix.ErrnoName(unix.EPERM)] > 0:
		r = observe.FromError(call, unix.EPERM)
	default:
		r.Outcome, r.Why = observe.Failed, "no file opened, and none was refused with EPERM"
	}
	return r.Saw(len(opened) > 0, look)
}
