// Package host has what the rooms of kernels/ do with files: locks, checksums
// and copies.
package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// CopyFile makes or replaces a file. What fails leaves none.
func CopyFile(from, to string, mode fs.FileMode) error {
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

// ReadHead gives the first n bytes of a file, or all if it is shorter.
func ReadHead(file string, n int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}
