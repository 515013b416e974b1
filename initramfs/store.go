package initramfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A store is a directory of files, each under a name that says all that
// decides its content, each with its checksum beside it. Two runs that want
// the same file make it once.
type store struct {
	dir      string
	progress func(string)
}

// An entry is one file of a store.
type entry struct {
	name string
	slow string // said before it is made, where that takes long
	make func(ctx context.Context, to string) error
}

// get gives the entry's file, made if it is not there or not intact.
func (s store) get(ctx context.Context, e entry) (Image, error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return Image{}, fmt.Errorf("open cache: %w", err)
	}
	file := filepath.Join(s.dir, e.name)
	if img, err := verify(file); err == nil {
		return img, nil
	}
	unlock, err := s.lock(ctx, e.name)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	// Another run may have made it while this one waited.
	switch img, err := verify(file); {
	case err == nil:
		return img, nil
	case !errors.Is(err, fs.ErrNotExist):
		s.progress(fmt.Sprintf("cache entry %s: %v; built again", e.name, err))
	}
	if e.slow != "" {
		s.progress(e.slow)
	}
	tmp, err := os.MkdirTemp(s.dir, ".tmp-")
	if err != nil {
		return Image{}, fmt.Errorf("write cache: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "made")
	if err := e.make(ctx, made); err != nil {
		return Image{}, err
	}
	sum, size, err := hashFile(made)
	if err != nil {
		return Image{}, fmt.Errorf("write cache: %w", err)
	}
	// The checksum first: a file without one counts as not there, and one
	// with another's is corrupt, so that a crash between the two is seen.
	sums := filepath.Join(tmp, "sum")
	if err := os.WriteFile(sums, fmt.Appendf(nil, "%s %d\n", sum, size), 0o644); err != nil {
		return Image{}, fmt.Errorf("write cache: %w", err)
	}
	if err := os.Rename(sums, file+".sum"); err != nil {
		return Image{}, fmt.Errorf("write cache: %w", err)
	}
	if err := os.Rename(made, file); err != nil {
		return Image{}, fmt.Errorf("write cache: %w", err)
	}
	return Image{Path: file, SHA256: sum, Size: size}, nil
}

// lock waits until this run is the only one that makes the entry. The kernel
// drops the lock of a process that dies.
func (s store) lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "."+name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	for said := false; ; said = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock cache: %w", err)
		}
		if !said {
			s.progress("waiting for another run to build " + name)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock cache: %w", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// verify reads a cached file and compares it with its checksum.
func verify(file string) (Image, error) {
	if _, err := os.Stat(file); err != nil {
		return Image{}, err
	}
	want, err := os.ReadFile(file + ".sum")
	if err != nil {
		return Image{}, errors.New("it has no checksum")
	}
	sum, size, err := hashFile(file)
	if err != nil {
		return Image{}, err
	}
	if got := fmt.Sprintf("%s %d\n", sum, size); got != string(want) {
		wantSum, _, _ := strings.Cut(string(want), " ")
		return Image{}, fmt.Errorf("it has %d bytes with checksum %.12s, not %.12s", size, sum, wantSum)
	}
	return Image{Path: file, SHA256: sum, Size: size, Cached: true}, nil
}

func hashFile(file string) (sum string, size int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
