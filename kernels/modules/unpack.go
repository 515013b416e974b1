package modules

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// unpackInto gives the directory of modules of what a user names: a directory as it
// is, or a package (.deb, .rpm), which it unpacks into to, an empty directory.
func unpackInto(ctx context.Context, name, to string) (dir string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
	case info.IsDir():
		return name, nil
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s %s", name, neither)
	case strings.HasSuffix(name, ".deb"):
		err = runUnpacker(ctx, name, "dpkg-deb", "dpkg", "-x", name, to)
	case strings.HasSuffix(name, ".rpm"):
		err = runUnpacker(ctx, name, "bsdtar", "libarchive-tools", "-x", "-f", name, "-C", to)
	default:
		err = fmt.Errorf("%s %s", name, neither)
	}
	if errors.Is(err, fs.ErrNotExist) && info == nil {
		return "", fmt.Errorf("read modules: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("read modules: %w", strict.Error(err))
	}
	return to, nil
}

// Digest is the SHA-256 of what a user names: of a package, or of the names and the
// content of all modules of a directory. Errors begin with "read modules".
func Digest(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read modules: %w", err)
	}
	if info.Mode().IsRegular() {
		sum, err := host.SumFile(name)
		if err != nil {
			return "", fmt.Errorf("read modules: %w", err)
		}
		return sum, nil
	}
	if !info.IsDir() {
		return "", fmt.Errorf("read modules: %s %s", name, neither)
	}
	t, err := open(name, name)
	if err != nil {
		return "", err
	}
	files := slices.Sorted(maps.Values(t.files))
	all := sha256.New()
	for _, file := range append(files, t.lists...) {
		sum, err := host.SumFile(filepath.Join(t.dir, file))
		if err != nil {
			return "", fmt.Errorf("read modules: %w", err)
		}
		fmt.Fprintf(all, "%s %q\n", sum, file)
	}
	return fmt.Sprintf("%x", all.Sum(nil)), nil
}

// neither ends the error for a name that Read does not take.
const neither = "is neither a directory nor a package (.deb, .rpm)"

// A HostError is a fault of this machine: a full disk, a program that is missing.
type HostError struct{ Err error }

func (e *HostError) Error() string { return e.Err.Error() }
func (e *HostError) Unwrap() error { return e.Err }

// runUnpacker runs a program of a Debian package.
func runUnpacker(ctx context.Context, name, program, pkg string, args ...string) error {
	if _, err := exec.LookPath(program); err != nil {
		return &HostError{fmt.Errorf("unpack %s: find %s: install the Debian package %s", name, program, pkg)}
	}
	err := proc.Run(ctx, proc.Command{Argv: append([]string{program}, args...)})
	var failed *proc.Error
	switch {
	case !errors.As(err, &failed) || ctx.Err() != nil:
		return err
	case failed.State == nil || !failed.State.Exited() || errors.Is(err, syscall.ENOSPC): // it did not begin, or was killed
		return &HostError{fmt.Errorf("unpack %s: %w", name, err)}
	}
	return fmt.Errorf("unpack %s: it is damaged or no such package: %w", name, err)
}
