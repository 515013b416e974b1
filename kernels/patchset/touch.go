package patchset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// Kinds of files as git writes them into a mode.
const (
	gitKind      fs.FileMode = 0o170000
	gitSymlink   fs.FileMode = 0o120000
	gitSubmodule fs.FileMode = 0o160000
)

// mayTouch refuses a change of a file that no patch may change: one outside the tree or
// in the build directory, one that is no regular file, and one behind a symbolic link of
// the tree, which may lead anywhere.
func (o *Overlay) mayTouch(f *gitdiff.File, from, to string) error {
	for _, name := range []string{from, to} {
		if name == "" {
			continue
		}
		if !o.inTree(name) {
			return &RefusedError{fmt.Sprintf("%s is outside the source tree", name)}
		}
		if err := o.parents(name); err != nil {
			return err
		}
	}
	name := cmp.Or(to, from)
	if f.IsBinary {
		return &RefusedError{fmt.Sprintf("%s is binary", name)}
	}
	for _, mode := range []fs.FileMode{f.OldMode, f.NewMode} {
		switch mode & gitKind {
		case gitSymlink:
			return &RefusedError{fmt.Sprintf("%s is a symbolic link; the lab applies changes of regular files only", name)}
		case gitSubmodule:
			return &RefusedError{fmt.Sprintf("%s is a submodule; the lab applies changes of regular files only", name)}
		}
	}
	return nil
}

// inTree reports whether a patch may touch the path: inside the tree, and neither in the
// build directory nor in git's own.
func (o *Overlay) inTree(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return false
		}
	}
	return filepath.IsLocal(name) && fs.ValidPath(name) && name != o.out && !strings.HasPrefix(name, o.out+"/")
}

// parents checks that what a path has before its last component are directories, or
// nothing yet. As in git apply, a path beyond a symbolic link is refused.
func (o *Overlay) parents(name string) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		dir := name[:i]
		if f, ok := o.files[dir]; ok {
			if !f.Gone {
				return fmt.Errorf("%s is not a directory", dir)
			}
			continue
		}
		info, err := fs.Lstat(o.tree, dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // patches may have made it
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			return &RefusedError{fmt.Sprintf("%s is beyond a symbolic link: %s", name, dir)}
		case !info.IsDir():
			return fmt.Errorf("%s is not a directory", dir)
		}
	}
	return nil
}

// isFree checks that there is nothing at the path of a new file.
func (o *Overlay) isFree(name string) error {
	f, err := o.Read(name)
	if err != nil {
		return err
	}
	if !f.Gone {
		return fmt.Errorf("%s exists already", name)
	}
	for other, f := range o.files {
		if !f.Gone && strings.HasPrefix(other, name+"/") {
			return fmt.Errorf("%s is a directory", name)
		}
	}
	return nil
}
