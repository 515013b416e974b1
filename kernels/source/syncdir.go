package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// syncDir brings the working tree of a directory source up to date. Files are
// copied, never linked: editors that write in place would change the working
// tree behind our back.
func (w *WorkTree) syncDir(ctx context.Context, o Origin) error {
	old := readIndex(w.index()) // empty after a crash: then every file is compared
	if err := os.Remove(w.index()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(old.Files) == 0 {
		if err := removeOthers(w.Source(), o.dir); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old.Files)) {
		if _, ok := o.dir.Files[name]; !ok {
			if err := os.Remove(filepath.Join(w.Source(), filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	m := progress.NewMeter(w.events, progress.Patching, int64(len(o.dir.Files)))
	var n int64
	for _, name := range slices.Sorted(maps.Keys(o.dir.Files)) {
		s := o.dir.Files[name]
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n++; n%256 == 0 {
			m.Set(n, "copying the source tree")
		}
		if was, ok := old.Files[name]; ok && was.Sum == s.Sum && was.Mode == s.Mode {
			continue
		}
		if err := syncFile(filepath.Join(o.Root, name), filepath.Join(w.Source(), name), s); err != nil {
			return fmt.Errorf("copy source %s: %w", name, err)
		}
	}
	return writeIndex(w.index(), o.dir)
}

// syncFile copies one file if it is not there as it should be. The copy must
// be what the index has, because a key was made of that.
func syncFile(from, to string, s stamp) error {
	if info, err := os.Lstat(to); err == nil {
		if s.Mode.IsRegular() && info.Mode()&(fs.ModeType|fs.ModePerm) == s.Mode {
			if got, err := host.SumFile(to); err == nil && got == s.Sum {
				return nil
			}
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if !s.Mode.IsRegular() {
		return copyEntry(from, to, s.Mode)
	}
	if err := host.CopyFile(from, to, s.Mode.Perm()); err != nil {
		return err
	}
	if got, err := host.SumFile(to); err != nil || got != s.Sum {
		return errors.Join(err, errors.New("it changed while it was read; try again"))
	}
	return os.Chmod(to, s.Mode.Perm()) // whatever the umask
}

// removeOthers removes what is in a working tree but not in the index.
func removeOthers(dir string, index *dirIndex) error {
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		if rel == BuildDir {
			return filepath.SkipDir
		}
		if _, ok := index.Files[filepath.ToSlash(rel)]; ok || d.IsDir() || strings.HasPrefix(rel, BuildDir+"/") {
			return nil
		}
		return os.Remove(file)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
