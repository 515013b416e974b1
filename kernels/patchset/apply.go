package patchset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// An Overlay is what patches make of a source tree: the files that differ from
// it, by their slash-separated path. It lives in memory: a series touches a
// handful of files.
type Overlay struct {
	tree  fs.FS
	out   string // a directory of the tree that no patch may touch
	files map[string]File
}

// A File is a file as patches left it.
type File struct {
	Data []byte
	Mode fs.FileMode // permission bits
	Gone bool        // there is no such file
}

// NewOverlay starts with the tree as it is. No patch may touch the directory
// out, where kernels are built.
func NewOverlay(tree fs.FS, out string) *Overlay { return &Overlay{tree, out, map[string]File{}} }

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

// Apply applies a series. It is as strict as git apply: context must match to
// the letter, though a hunk may have moved. Every error is an
// *ApplyError, which names the hunk and the file.
func (o *Overlay) Apply(s Series) error {
	for _, p := range s.Patches {
		for _, f := range p.files {
			if err := o.applyFile(f); err != nil {
				return &ApplyError{s.Name, p.Name, strict.Error(err)}
			}
		}
	}
	return nil
}

func (o *Overlay) applyFile(f *gitdiff.File) error {
	from, to := stripPrefix(f.OldName), stripPrefix(f.NewName)
	for _, name := range []string{from, to} {
		if name != "" && !o.inTree(name) {
			return fmt.Errorf("%s is outside the source tree", name)
		}
	}
	if f.IsBinary {
		return fmt.Errorf("%s is binary", cmp.Or(to, from))
	}
	var old File
	var err error
	if f.IsNew {
		old, err = o.Read(to)
		if err == nil && !old.Gone {
			return fmt.Errorf("%s exists already", to)
		}
		old = File{Mode: 0o644}
	} else {
		old, err = o.Read(from)
		if err == nil && old.Gone {
			return fmt.Errorf("%s does not exist", from)
		}
	}
	if err != nil {
		return err
	}
	data, err := applyHunks(old.Data, f.TextFragments)
	if err != nil {
		return fmt.Errorf("%w of %s does not match", err, cmp.Or(from, to))
	}
	if f.IsDelete || f.IsRename {
		o.files[from] = File{Gone: true}
	}
	if f.IsDelete {
		return nil
	}
	mode := old.Mode
	if f.NewMode != 0 {
		mode = f.NewMode.Perm()
	}
	o.files[to] = File{Data: data, Mode: mode}
	return nil
}

// stripPrefix takes the a/ or b/ off a name. gitdiff did so for git's own
// patches, in which the first component of a name in the kernel is never a or b.
func stripPrefix(name string) string {
	if len(name) > 2 && (name[0] == 'a' || name[0] == 'b') && name[1] == '/' {
		return name[2:]
	}
	return name
}

// inTree reports whether a patch may touch the path: inside the tree, and not
// the build directory.
func (o *Overlay) inTree(name string) bool {
	return filepath.IsLocal(name) && fs.ValidPath(name) && name != o.out && !strings.HasPrefix(name, o.out+"/")
}

// applyHunks applies the hunks of one file in order. The error names the hunk.
func applyHunks(data []byte, hunks []*gitdiff.TextFragment) ([]byte, error) {
	lines := splitLines(data)
	shift := 0 // distance of the previous hunk from its stated line
	done := 0  // lines up to here are written by previous hunks
	for i, h := range hunks {
		var old, new []string
		for _, l := range h.Lines {
			if l.Old() {
				old = append(old, l.Line)
			}
			if l.New() {
				new = append(new, l.Line)
			}
		}
		want := int(h.NewPosition) - 1 + shift
		if h.NewLines == 0 {
			want++ // a range without lines names the line before it
		}
		at := findLines(lines, old, want, done, h)
		if at < 0 {
			return nil, fmt.Errorf("hunk %d (line %d)", i+1, h.OldPosition)
		}
		lines = slices.Replace(lines, at, at+len(old), new...)
		shift += at - want
		done = at + len(new)
	}
	return []byte(strings.Join(lines, "")), nil
}

// findLines finds old in lines, at or after from, as near to want as can be;
// -1 if it is not there. As in git apply, a hunk that starts at line 1 only
// fits the beginning, and one without trailing context only the end.
func findLines(lines, old []string, want, from int, h *gitdiff.TextFragment) int {
	last := len(lines) - len(old)
	fits := func(at int) bool {
		switch {
		case at < from || at > last:
			return false
		case h.OldPosition <= 1 && at != 0:
			return false
		case h.TrailingContext == 0 && at != last:
			return false
		}
		return slices.Equal(lines[at:at+len(old)], old)
	}
	for d := range max(want, last-want, 0) + 1 {
		if fits(want + d) {
			return want + d
		}
		if fits(want - d) {
			return want - d
		}
	}
	return -1
}

// splitLines keeps the line ends; the last line may lack one.
func splitLines(data []byte) []string {
	var lines []string
	for l := range bytes.Lines(data) {
		lines = append(lines, string(l))
	}
	return lines
}
