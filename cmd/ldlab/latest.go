package main

import (
	"os"
	"path/filepath"
)

// linkLatest points out/latest at a run's directory. It is a convenience: a
// file system without symbolic links just lacks it.
func linkLatest(out string) {
	link := filepath.Join(filepath.Dir(out), "latest")
	next := link + ".next"
	os.Remove(next)
	if os.Symlink(filepath.Base(out), next) == nil {
		os.Rename(next, link)
	}
}
