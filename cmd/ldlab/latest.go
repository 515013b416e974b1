package main

import (
	"os"
	"path/filepath"
)

// linkLatest points out/latest at a run's directory. On a file system without
// symbolic links it does nothing.
func linkLatest(out string) {
	link := filepath.Join(filepath.Dir(out), "latest")
	next := link + ".next"
	os.Remove(next)
	if os.Symlink(filepath.Base(out), next) == nil {
		os.Rename(next, link)
	}
}
