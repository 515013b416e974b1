package nightly

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// filesOf lists what is in a night, but for its mark.
func filesOf(dir string) (list []file, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == markFile {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		list = append(list, file{name, info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files of night: %w", err)
	}
	return list, nil
}

// prune removes the nights that were begun first, until keep of those that were ended
// are left; the night of dir always stays. Of a night it removes the files that were
// there at its end and have not changed since, and the directories that are then empty.
// It returns the nights of which it removed something, and what is left of them.
func prune(root, dir string, keep int) (removed, notes []string, err error) {
	nights, err := nightsIn(root)
	if err != nil {
		return nil, nil, err
	}
	nights = slices.DeleteFunc(nights, func(n night) bool { return n.mark.Ended.IsZero() })
	extra := len(nights) - keep
	for _, n := range nights {
		if extra <= 0 || keep <= 0 {
			break
		}
		if sameFile(n.dir, dir) {
			continue
		}
		extra--
		gone, left, err := n.remove()
		if err != nil {
			return removed, notes, err
		}
		if gone > 0 || left == 0 {
			removed = append(removed, n.dir)
		}
		if left > 0 {
			notes = append(notes, fmt.Sprintf("%s stays, because it has %d files that no night wrote, or that were changed since", n.dir, left))
		}
	}
	return removed, notes, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// remove removes a night, and returns the number of files that it removed and left.
func (n night) remove() (gone, left int, err error) {
	root, err := os.OpenRoot(n.dir)
	if err != nil {
		return gone, 0, fmt.Errorf("remove night: %w", err)
	}
	defer root.Close()
	for _, f := range n.mark.Files {
		info, err := root.Lstat(f.Name)
		if err != nil || info.IsDir() || info.Size() != f.Size || !info.ModTime().Equal(f.Time) {
			continue
		}
		if err := root.Remove(f.Name); err != nil {
			return gone, 0, fmt.Errorf("remove night: %w", err)
		}
		gone++
	}
	var dirs []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, name)
		case name != markFile:
			left++
		}
		return nil
	})
	if err != nil {
		return gone, 0, fmt.Errorf("remove night: %w", err)
	}
	for _, name := range slices.Backward(dirs) {
		if name != "." {
			_ = root.Remove(path.Clean(name)) // it fails if something is in it
		}
	}
	if left > 0 {
		return gone, left, nil // with its mark, so that it is a night the next time, too
	}
	if err := root.Remove(markFile); err != nil {
		return gone, 0, fmt.Errorf("remove night: %w", err)
	}
	if err := os.Remove(filepath.Clean(n.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return gone, 0, fmt.Errorf("remove night: %w", err)
	}
	return gone, 0, nil
}
