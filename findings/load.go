package findings

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/ldlab/ldlab/internal/strictyaml"
)

//go:embed library
var library embed.FS

// Limits of what is read.
const (
	maxFile  = 64 << 10 // bytes
	maxFiles = 2000
)

// Library loads the findings of the lab.
func Library() ([]Finding, error) {
	list, err := loaded()
	return slices.Clone(list), err
}

// loaded is the library, which is read once.
var loaded = sync.OnceValues(func() ([]Finding, error) {
	sub, err := fs.Sub(library, "library")
	if err != nil {
		return nil, err
	}
	return Load(sub)
})

// LoadDir loads a user's own findings.
func LoadDir(dir string) ([]Finding, error) {
	if fi, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("read findings: %s is not a directory", dir)
	}
	list, err := Load(os.DirFS(dir))
	var wrong *Error
	if errors.As(err, &wrong) {
		wrong.File = filepath.Join(dir, wrong.File)
	}
	for i := range list {
		list[i].File = filepath.Join(dir, list[i].File)
	}
	return list, err
}

// Load loads every file *.yaml below a directory, in the order of kinds and names. A
// file that is wrong is an *Error, with file, line and column.
func Load(dir fs.FS) (list []Finding, err error) {
	ids := map[string]string{}
	err = fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		if len(list) == maxFiles {
			return fmt.Errorf("read findings: more than %d files", maxFiles)
		}
		text, err := readFile(dir, name)
		if err != nil {
			return err
		}
		f, err := Parse(name, text)
		if err != nil {
			return err
		}
		if other, ok := ids[f.ID]; ok {
			return &Error{File: name, Line: 1, Column: 1, Text: fmt.Sprintf("id %s is also that of %s", f.ID, other)}
		}
		ids[f.ID] = name
		for _, patch := range []*string{&f.Patch, &f.OnTop} {
			if *patch, err = beside(dir, name, *patch); err != nil {
				return err
			}
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		if d := slices.Index(Kinds(), a.Kind) - slices.Index(Kinds(), b.Kind); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// beside is the path of a finding's patch from the directory of all findings, if it is
// below that, and the patch's own name if not: it is then one of the lab's.
func beside(dir fs.FS, name, patch string) (string, error) {
	own := path.Join(path.Dir(name), patch)
	if patch == "" || path.IsAbs(patch) || !fs.ValidPath(own) {
		return patch, nil
	}
	info, err := fs.Stat(dir, own)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir():
		return patch, nil
	case err != nil:
		return "", fmt.Errorf("find patch: %w", err)
	}
	return own, nil
}

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read finding: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read finding: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read finding: %s is not a regular file", name)
	case info.Size() > maxFile:
		return nil, &Error{File: name, Line: 1, Column: 1, Text: fmt.Sprintf("%d bytes, at most %d", info.Size(), maxFile)}
	}
	return fs.ReadFile(dir, name)
}

// An Error is a file that is no finding.
type Error = strictyaml.Error
