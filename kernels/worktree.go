package kernels

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
)

// buildDir is where a kernel is built: a child of the source tree, for then
// kbuild names all files relative to it, and neither objects nor what ccache
// keeps of them depends on where the cache is.
const buildDir = "build"

// A workTree is a source tree in which kernels are built, one after the
// other: each build brings only those files up to date that differ, so that
// make does no more than it must.
type workTree struct {
	dir   string // holds source/, state.json, build.log and the lock
	state treeState
}

// treeState is what must be known of a working tree when its last user crashed.
type treeState struct {
	Overlaid []string       // files that may differ from the origin
	Building bool           // make is at work: half-written objects, if it is still set
	Steps    map[string]int // lines of output of the last build: cold, warm
	Config   configured
	Scan     sourceScan
}

// configured says what a .config was made of and what came out, as digests.
type configured struct{ Inputs, Output string }

func (w *workTree) source() string { return filepath.Join(w.dir, "source") }
func (w *workTree) build() string  { return filepath.Join(w.dir, "source", buildDir) }
func (w *workTree) log() string    { return filepath.Join(w.dir, "build.log") }
func (w *workTree) index() string  { return filepath.Join(w.dir, "index") }

// openTree gives the working tree of the job's source and architecture, made
// if need be. The lock of its directory is held.
func (j *job) openTree(ctx context.Context, dir string) (*workTree, error) {
	w := &workTree{dir: dir}
	if data, err := os.ReadFile(filepath.Join(dir, "state.json")); err == nil {
		if json.Unmarshal(data, &w.state) != nil {
			// What may differ is not known any more: start anew.
			if err := os.RemoveAll(w.source()); err != nil {
				return nil, err
			}
			w.state = treeState{}
		}
	}
	if w.state.Building {
		j.emit(Event{Phase: Noting, Message: "the last build here was cut short; its objects are built again"})
		if err := os.RemoveAll(w.build()); err != nil {
			return nil, err
		}
		w.state.Building = false
	}
	if j.origin.dir != nil {
		return w, j.syncDir(ctx, w)
	}
	if _, err := os.Stat(w.source()); err == nil {
		return w, nil
	}
	j.emit(Event{Phase: Patching, Message: "linking the source tree"})
	fresh := filepath.Join(dir, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return nil, err
	}
	defer os.RemoveAll(fresh)
	if err := linkTree(ctx, j.origin.root, fresh); err != nil {
		return nil, err
	}
	return w, os.Rename(fresh, w.source())
}

func (w *workTree) save() error {
	data, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(w.dir, "state.json"), data, 0o644)
}

// linkTree copies a tree by hard links, which take no space and keep the
// files' times; where the file system has none, it copies files.
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
	if err := copyFile(from, to, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// copyFile makes or replaces a file. What fails leaves none.
func copyFile(from, to string, mode fs.FileMode) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err := errors.Join(err, w.Close()); err != nil {
		os.Remove(to)
		return err
	}
	return nil
}

// sync makes the tree what the overlay asks for. Files that are right stay
// untouched; others are written anew under their name, for they may be hard
// links into the origin, and with the time of now, for make must see them
// change, also when they change back.
func (j *job) sync(w *workTree, o *overlay) error {
	want := o.paths()
	paths := slices.Concat(w.state.Overlaid, want)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	// A crash while files are written leaves a state that names them all.
	w.state.Overlaid = paths
	if err := w.save(); err != nil {
		return err
	}
	m := j.meter(Patching, int64(len(paths)))
	for i, name := range paths {
		f, err := o.read(name)
		if err == nil {
			err = putFile(filepath.Join(w.source(), filepath.FromSlash(name)), f)
		}
		if err != nil {
			return fmt.Errorf("patch %s: %w", name, err)
		}
		m.set(int64(i+1), name)
	}
	w.state.Overlaid = want
	return w.save()
}

// putFile makes a file what it should be, if it is not.
func putFile(file string, want overlaid) error {
	if want.gone {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if info, err := os.Lstat(file); err == nil && info.Mode() == want.mode {
		if data, err := os.ReadFile(file); err == nil && bytes.Equal(data, want.data) {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(file, want.data, want.mode, renameio.IgnoreUmask())
}
