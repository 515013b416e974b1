package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Limits are the limits of Prune: it removes what exceeds them.
type Limits struct {
	Max    int64         // bytes that may stay; negative: no limit
	Idle   time.Duration // how long an entry may be unused; 0: no limit
	DryRun bool          // remove nothing
	Kinds  []Kind        // nil: all
}

// Pruned is what Prune did, or would do.
type Pruned struct {
	Removed []Entry // in the order of removal: last used longest ago first
	InUse   []Entry // over a limit, and kept because somebody uses them
	Size    int64   // bytes on disk that stay
	Total   int     // entries that were there
}

// Prune removes entries until the limits are kept: those used longest ago
// first, and never one that is in use. It removes nothing but entries, what was
// left of entries that were being made or removed, and their locks. The error is
// ErrNotOurs, the context's cause, or that of removing; what was removed before
// is in the result.
func (c *Cache) Prune(ctx context.Context, limits Limits) (Pruned, error) {
	list, err := c.List(ctx, limits.Kinds...)
	if err != nil {
		return Pruned{}, err
	}
	root, err := c.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return Pruned{}, nil
	}
	if err != nil {
		return Pruned{}, err
	}
	defer root.Close()
	p := Pruned{Total: len(list.Entries)}
	var errs []error
	now := time.Now()
	left := newTally(list.Entries)
	for _, e := range oldestFirst(list.Entries) {
		tooOld := limits.Idle > 0 && now.Sub(e.Used) > limits.Idle
		tooMuch := limits.Max >= 0 && left.size > limits.Max
		if !tooOld && !tooMuch {
			continue
		}
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
		removed, err := c.remove(root, e, limits.DryRun)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("remove %s: %w", e.ID, err))
		case removed:
			left.remove(e)
			p.Removed = append(p.Removed, e)
		default:
			p.InUse = append(p.InUse, e)
		}
	}
	p.Size = left.size
	if !limits.DryRun {
		errs = append(errs, c.sweep(root))
	}
	return p, errors.Join(errs...)
}

// trashPrefix begins the names, in tmp, of entries that are being removed.
const trashPrefix = ".removed-"

// remove removes an entry, unless somebody uses it.
func (c *Cache) remove(root *os.Root, e Entry, dry bool) (bool, error) {
	if dry {
		return !e.InUse, nil
	}
	_, err := os.Stat(c.lockPath(e.ID))
	hadLock := err == nil
	lock, ok := c.tryLock(e.ID)
	if !ok {
		return false, nil
	}
	defer lock.Close()
	if info, err := lock.Stat(); err != nil || hadLock != e.hasLock || hadLock && !info.ModTime().Equal(e.Used) {
		return false, err // used since it was listed
	}
	l := layouts[e.ID.Kind]
	name := path.Join(l.dir, e.ID.Name)
	if l.contains == nil {
		if err := root.Remove(name + ".sum"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err := root.Remove(name); err != nil {
			return false, err
		}
	} else {
		// An entry disappears at once, as it appeared.
		if err := root.MkdirAll("tmp", 0o755); err != nil {
			return false, err
		}
		trash := fmt.Sprintf("tmp/%s%s-%d-%d", trashPrefix, strings.ReplaceAll(e.ID.String(), "/", "+"), os.Getpid(), time.Now().UnixNano())
		if err := root.Rename(name, trash); err != nil {
			return false, err
		}
		if err := root.RemoveAll(trash); err != nil {
			return false, err
		}
	}
	// Whoever waits for this lock notices that it is gone, and makes a new one.
	for _, suffix := range []string{makeSuffix, lockSuffix} {
		if err := os.Remove(c.lockFile(e.ID, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return true, err
		}
	}
	return true, nil
}

// sweep removes what processes that were killed have left in tmp.
func (c *Cache) sweep(root *os.Root) error {
	if !isDir(root, "tmp") {
		return nil
	}
	files, err := fs.ReadDir(root.FS(), "tmp")
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		if strings.HasPrefix(f.Name(), trashPrefix) {
			errs = append(errs, root.RemoveAll(path.Join("tmp", f.Name())))
			continue
		}
		kind, name, ok := strings.Cut(f.Name(), "-")
		id := ID{Kind(kind), strings.ReplaceAll(name, "+", "/")}
		if !ok || id.check() != nil {
			continue // not ours
		}
		if lock, ok := c.tryLock(id); ok { // else it is being made
			errs = append(errs, root.RemoveAll(path.Join("tmp", f.Name())))
			lock.Close()
		}
	}
	return errors.Join(errs...)
}

// DefaultMax is the size to which Tidy prunes, in bytes: some ten working trees.
const DefaultMax = 30 << 30

// Tidy prunes the cache after something was made: kinds by their own limits
// (templates 4 GiB and 7 days; images and programs of guests, and apt's lists, 1 GiB
// and 30 days),
// and if no kinds are given, the whole cache to $LDLAB_CACHE_MAX, or else
// DefaultMax.
func (c *Cache) Tidy(ctx context.Context, kinds ...Kind) error {
	all := len(kinds) == 0
	if all {
		kinds = Kinds()
	}
	for _, kind := range kinds {
		l := layouts[kind]
		if l.max == 0 && l.idle == 0 {
			continue
		}
		if _, err := c.Prune(ctx, Limits{Max: l.max, Idle: l.idle, Kinds: []Kind{kind}}); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	limit, err := MaxSize()
	if err == nil {
		_, err = c.Prune(ctx, Limits{Max: limit})
	}
	return err
}

// MaxSize is the size to which Tidy prunes the cache, in bytes; negative: no
// limit. The error is that of a bad $LDLAB_CACHE_MAX.
func MaxSize() (int64, error) {
	text := os.Getenv("LDLAB_CACHE_MAX")
	if text == "" {
		return DefaultMax, nil
	}
	limit, err := ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("read LDLAB_CACHE_MAX: %w", err)
	}
	return limit, nil
}

// ParseSize reads a size in bytes, or with a suffix: K, M, G or T, with or
// without iB or B, all powers of 1024. "none" is no limit: -1.
func ParseSize(text string) (int64, error) {
	if text == "none" {
		return -1, nil
	}
	bad := fmt.Errorf("%q is not a size like 500M, 20G or none", text)
	number := strings.ToUpper(text)
	number = strings.TrimSuffix(strings.TrimSuffix(number, "B"), "I")
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			shift, number = 10*(i+1), number[:n-1]
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value >= 0) || value*float64(int64(1)<<shift) >= 1<<62 || strings.ContainsAny(number, "XPE_+-") {
		return 0, bad
	}
	return int64(value * float64(int64(1)<<shift)), nil
}

// FormatSize writes a size like ParseSize reads it, with three digits.
func FormatSize(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1023.5 {
			break
		}
		value, unit = value/1024, u
	}
	if unit == "B" || value >= 99.95 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
