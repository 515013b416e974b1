package initramfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/cache"
)

// A sourceFile is one file of a program's source.
type sourceFile struct {
	name string // relative, with slashes
	data []byte
}

// readSource returns the files of an embedded tree, without tests, sorted by name.
func readSource(fsys fs.FS) (files []sourceFile, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		files = append(files, sourceFile{name, data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read embedded source: %w", err)
	}
	slices.SortFunc(files, func(a, b sourceFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// sourceKey is a digest of the files' names and contents.
func sourceKey(files []sourceFile) string {
	var parts []string
	for _, f := range files {
		parts = append(parts, f.name, cache.Sum(f.data))
	}
	return key(parts...)
}

// writeSource puts the files into a directory, which it makes.
func writeSource(dir string, files []sourceFile) error {
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
		if err := os.WriteFile(to, f.data, 0o644); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	return nil
}
