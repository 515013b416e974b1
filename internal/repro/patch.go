package repro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ldlab/ldlab/kernels"
)

// patchFiles writes the patches that a finding names into a directory and returns
// their paths, in order. A name is looked for in the user's directory first.
func patchFiles(name, own, out string) ([]string, error) {
	if own != "" {
		if path := filepath.Join(own, filepath.FromSlash(name)); filepath.IsLocal(name) {
			info, err := os.Stat(path)
			switch {
			case err == nil && !info.IsDir():
				return []string{path}, nil
			case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
				return nil, fmt.Errorf("find patch: %w", err)
			}
		}
	}
	files, err := kernels.FindingPatch(name)
	if err != nil {
		return nil, fmt.Errorf("find patch %s: %w", name, err)
	}
	dir := filepath.Join(filepath.Dir(out), "patches", strings.ReplaceAll(name, "/", "-"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write patch: %w", err)
	}
	var paths []string
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.WriteFile(path, f.Text, 0o644); err != nil {
			return nil, fmt.Errorf("write patch: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
