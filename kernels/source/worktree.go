package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// BuildDir is the directory in which a kernel is built. It is in the source
// tree, because kbuild then uses relative names of all files, so that neither
// objects nor ccache's keys depend on the path of the cache.
const BuildDir = "build"

// A WorkTree is a source tree in which kernels are built, one after the
// other: each build brings only those files up to date that differ, so that
// make does no more than it must.
type WorkTree struct {
	Dir    string // holds source/, state.json, build.log and the lock
	State  State
	events func(progress.Event)
}

// A State is what must be known of a working tree when its last user crashed.
type State struct {
	Overlaid []string       // files that may differ from the origin
	Building bool           // make is at work: half-written objects, if it is still set
	Steps    map[string]int // lines of output of the last build: cold, warm
	Config   Configured
	Scan     Scan
}

// Configured has the digests of what a .config was made of, and of the .config.
type Configured struct{ Inputs, Output string }

// A Scan is what was found in an origin without patches.
type Scan struct {
	Origin string // SHA256 of the origin
	Sites  json.RawMessage
}

// Source is the patched source tree.
func (w *WorkTree) Source() string { return filepath.Join(w.Dir, "source") }

// Build is the build directory, in the source tree.
func (w *WorkTree) Build() string { return filepath.Join(w.Dir, "source", BuildDir) }

// Log is the file with the output of the last build.
func (w *WorkTree) Log() string { return filepath.Join(w.Dir, "build.log") }

func (w *WorkTree) index() string { return filepath.Join(w.Dir, "index") }

// OpenTree gives the working tree of an origin in a directory, made if need
// be. The caller holds the directory's lock.
func OpenTree(ctx context.Context, dir string, o Origin, events func(progress.Event)) (*WorkTree, error) {
	w := &WorkTree{Dir: dir, events: events}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := w.load(); err != nil {
		return nil, err
	}
	if w.State.Building {
		events(progress.Event{Phase: progress.Noting, Message: "the last build here was cut short; its objects are built again"})
		if err := os.RemoveAll(w.Build()); err != nil {
			return nil, err
		}
		w.State.Building = false
	}
	if o.dir != nil {
		return w, w.syncDir(ctx, o)
	}
	if _, err := os.Stat(w.Source()); err == nil {
		return w, nil
	}
	events(progress.Event{Phase: progress.Patching, Message: "linking the source tree"})
	fresh := filepath.Join(dir, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return nil, err
	}
	defer os.RemoveAll(fresh)
	if err := linkTree(ctx, o.Root, fresh); err != nil {
		return nil, err
	}
	return w, os.Rename(fresh, w.Source())
}

// load reads the state. If it is damaged, what may differ from the origin is
// not known any more, and the tree is removed.
func (w *WorkTree) load() error {
	data, err := os.ReadFile(filepath.Join(w.Dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(data, &w.State) != nil {
		w.State = State{}
		return os.RemoveAll(w.Source())
	}
	return nil
}

// Save writes the state to disk.
func (w *WorkTree) Save() error {
	data, err := json.Marshal(w.State)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(w.Dir, "state.json"), data, 0o644)
}

// linkTree copies a tree by hard links, which take no space and keep the
// files' times. If the file system has no hard links, it copies files.
func linkTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		if d.Type()&fs.ModeSymlink == 0 && os.Link(file, target) == nil {
			return nil
		}
		return copyEntry(file, target, d.Type())
	})
}

// copyEntry copies a file with its times, or a link.
func copyEntry(from, to string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := host.CopyFile(from, to, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// Sync applies the overlay to the tree. Files that are right stay untouched.
// Others are replaced, not written in place, because they may be hard links into
// the origin. They get the present time, because make must see them change, even
// if they change back.
func (w *WorkTree) Sync(o *patchset.Overlay) error {
	want := o.Paths()
	paths := slices.Concat(w.State.Overlaid, want)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	// A crash while files are written leaves a state that names them all.
	w.State.Overlaid = paths
	if err := w.Save(); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.Source())
	if err != nil {
		return err
	}
	defer root.Close()
	m := progress.NewMeter(w.events, progress.Patching, int64(len(paths)))
	for i, name := range paths {
		f, err := o.Read(name)
		if err == nil {
			err = putFile(root, name, f)
		}
		if err != nil {
			return fmt.Errorf("patch %s: %w", name, err)
		}
		m.Set(int64(i+1), name)
	}
	w.State.Overlaid = want
	return w.Save()
}

// putFile makes a file what it should be, if it is not. Through the root, no symbolic link
// of the tree leads outside.
func putFile(root *os.Root, name string, want patchset.File) error {
	file := filepath.FromSlash(name)
	if want.Gone {
		if err := root.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if info, err := root.Lstat(file); err == nil && info.Mode() == want.Mode {
		if data, err := root.ReadFile(file); err == nil && bytes.Equal(data, want.Data) {
			return nil
		}
	}
	if err := root.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	fresh := file + ".ldlab-new" // an earlier try may have left this file
	if err := root.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := root.WriteFile(fresh, want.Data, want.Mode)
	if err == nil {
		err = root.Chmod(fresh, want.Mode) // whatever the umask
	}
	if err == nil {
		err = root.Rename(fresh, file)
	}
	if err != nil {
		root.Remove(fresh)
	}
	return err
}
