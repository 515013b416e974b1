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

// findPatch finds a patch that a finding names: a file in the user's directory, or else
// files of the lab.
func findPatch(name, own string) (path string, files []kernels.PatchFile, err error) {
	if own != "" {
		if path := filepath.Join(own, filepath.FromSlash(name)); filepath.IsLocal(name) {
			info, err := os.Stat(path)
			switch {
			case err == nil && !info.IsDir():
				return path, nil, nil
			case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
				return "", nil, fmt.Errorf("find patch: %w", err)
			}
		}
	}
	if files, err = kernels.FindingPatch(name); err != nil {
		return "", nil, fmt.Errorf("find patch %s: it is no file beside the finding: %w", name, err)
	}
	return "", files, nil
}

// patchFiles writes the patches that a finding names into a directory and returns
// their paths, in order.
func patchFiles(name, own, out string) ([]string, error) {
	path, files, err := findPatch(name, own)
	if err != nil {
		return nil, err
	}
	if path != "" {
		return []string{path}, nil
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
