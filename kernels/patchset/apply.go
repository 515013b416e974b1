package patchset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// An Overlay is what patches make of a source tree: the files that differ from
// it, by their slash-separated path. It lives in memory: a series touches a
// handful of files.
type Overlay struct {
	Fuzz []Fuzz // hunks that apply with other context than theirs; see Series.Fuzz

	tree  fs.FS
	out   string // a directory of the tree that no patch may touch
	files map[string]File
}

// A Fuzz is a hunk of a patch that applies with other context than its own.
type Fuzz struct{ Patch, Text string }

// A File is a file as patches left it.
type File struct {
	Data []byte
	Mode fs.FileMode // permission bits
	Gone bool        // there is no such file
}

// NewOverlay starts with the tree as it is. No patch may touch the directory
// out, where kernels are built.
func NewOverlay(tree fs.FS, out string) *Overlay {
	return &Overlay{tree: tree, out: out, files: map[string]File{}}
}

// Changed reports whether a patch touched the file.
func (o *Overlay) Changed(name string) bool { _, ok := o.files[name]; return ok }

// Paths lists what differs, sorted.
func (o *Overlay) Paths() []string {
	var list []string
	for p := range o.files {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

// Read gives a file as the patches so far left it.
func (o *Overlay) Read(name string) (File, error) {
	if f, ok := o.files[name]; ok {
		return f, nil
	}
	info, err := fs.Lstat(o.tree, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return File{Gone: true}, nil
	case err != nil:
		return File{}, err
	case !info.Mode().IsRegular():
		return File{}, fmt.Errorf("%s is not a regular file", name)
	}
	data, err := fs.ReadFile(o.tree, name)
	return File{Data: data, Mode: info.Mode().Perm()}, err
}

// An ApplyError is a patch that does not apply to the tree.
type ApplyError struct {
	Series string
	Patch  string
	Err    error // names the file, and the hunk
}

func (e *ApplyError) Error() string {
	return fmt.Sprintf("apply %s of series %s: %v", e.Patch, e.Series, e.Err)
}

func (e *ApplyError) Unwrap() error { return e.Err }

// A RefusedError is a patch that is applied to no source.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Apply applies a series. It is as strict as git apply: context must match to
// the letter, though a hunk may have moved, unless the series has Fuzz. Every error
// is an *ApplyError, which names the hunk and the file; if a hunk does not match, it
// wraps a *MismatchError.
func (o *Overlay) Apply(s Series) error {
	for _, p := range s.Patches {
		for _, f := range p.files {
			fitted, err := o.applyFile(f, s.Fuzz)
			if err != nil {
				return &ApplyError{s.Name, p.Name, strict.Error(err)}
			}
			for _, text := range fitted {
				o.Fuzz = append(o.Fuzz, Fuzz{p.Name, text})
			}
		}
	}
	return nil
}

// applyFile changes one file. fitted names the hunks that needed fuzz.
func (o *Overlay) applyFile(f *gitdiff.File, fuzz int) (fitted []string, err error) {
	from, to := stripPrefix(f.OldName), stripPrefix(f.NewName)
	if err := o.mayTouch(f, from, to); err != nil {
		return nil, err
	}
	var old File
	if f.IsNew || !f.IsDelete && from != to {
		if err := o.isFree(to); err != nil {
			return nil, err
		}
		old = File{Mode: 0o644}
	}
	if !f.IsNew {
		if old, err = o.Read(from); err != nil {
			return nil, err
		}
		if old.Gone {
			return nil, fmt.Errorf("%s does not exist", from)
		}
	}
	data, fitted, err := applyHunks(cmp.Or(from, to), old.Data, f.TextFragments, fuzz)
	if err != nil {
		return nil, err
	}
	if f.IsDelete || f.IsRename {
		o.files[from] = File{Gone: true}
	}
	if f.IsDelete {
		return fitted, nil
	}
	mode := old.Mode
	if f.NewMode != 0 {
		mode = 0o644 // git knows no other modes than these two
		if f.NewMode&0o100 != 0 {
			mode = 0o755
		}
	}
	o.files[to] = File{Data: data, Mode: mode}
	return fitted, nil
}

// stripPrefix takes the a/ or b/ off a name. gitdiff did so for git's own
// patches, in which the first component of a name in the kernel is never a or b.
func stripPrefix(name string) string {
	if len(name) > 2 && (name[0] == 'a' || name[0] == 'b') && name[1] == '/' {
		return name[2:]
	}
	return name
}

// splitLines keeps the line ends; the last line may lack one.
func splitLines(data []byte) []string {
	var lines []string
	for l := range bytes.Lines(data) {
		lines = append(lines, string(l))
	}
	return lines
}
