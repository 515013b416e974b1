package modules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sassoftware/go-rpmutils"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// Unpack gives the directory of modules of what a user names: a directory as it
// is, or a package (.deb, .rpm), which it unpacks into to, an empty directory.
// Errors begin with "read modules".
func Unpack(ctx context.Context, name, to string) (dir string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
	case info.IsDir():
		return name, nil
	case strings.HasSuffix(name, ".deb"):
		err = proc.Run(ctx, proc.Command{Argv: []string{"dpkg-deb", "-x", name, to}})
		var failed *proc.Error
		if errors.As(err, &failed) {
			err = fmt.Errorf("unpack %s: it is damaged or no Debian package: %w", name, err)
		}
	case strings.HasSuffix(name, ".rpm"):
		if err = unpackRPM(name, to); err != nil {
			err = fmt.Errorf("unpack %s: it is damaged or no RPM package: %w", name, err)
		}
	default:
		err = fmt.Errorf("%s is neither a directory nor a package (.deb, .rpm)", name)
	}
	if errors.Is(err, fs.ErrNotExist) && info == nil {
		return "", fmt.Errorf("read modules: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("read modules: %w", strict.Error(err))
	}
	return to, nil
}

func unpackRPM(name, to string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := rpmutils.ReadRpm(f)
	if err != nil {
		return err
	}
	to, err = filepath.EvalSymlinks(to)
	if err != nil {
		return err
	}
	return r.ExpandPayload(to)
}
