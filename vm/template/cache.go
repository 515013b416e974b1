package template

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A templateCache is a directory of templates' files: KEY.template, and
// KEY.part while one is made. A part is locked by its maker: one without a
// lock was left by a maker that died.
type templateCache string

const (
	templateSuffix = ".template"
	partSuffix     = ".part"

	maxTemplates     = 4 << 30 // bytes of all of them
	maxTemplateIdle  = 7 * 24 * time.Hour
	partLockInterval = 20 * time.Millisecond
)

// throughCache takes the template from the cache, or boots it and puts it
// there. Trouble with the cache is noted, and costs no more than a boot.
func (t *Template) throughCache(ctx context.Context, c templateCache) error {
	what, err := ingredients(ctx, t.config)
	if err != nil {
		return err
	}
	t.key = keyOf(what)
	if found, err := t.open(c, what); found || err != nil {
		return err
	}
	part, err := c.lockPart(ctx, t.key)
	if ctx.Err() != nil {
		if part != nil {
			part.drop()
		}
		return ctx.Err()
	}
	if err != nil {
		t.note("use no template cache: %v", err)
		return t.boot(ctx)
	}
	defer part.drop()
	// Another lab may just have made it.
	if found, err := t.open(c, what); found || err != nil {
		return err
	}
	if err := t.boot(ctx); err != nil {
		return err
	}
	if err := c.store(part, t.key, what, t.snapshot); err != nil {
		t.note("store template: %v", err)
	}
	if err := c.prune(t.key); err != nil {
		t.note("prune templates: %v", err)
	}
	return nil
}

// open looks for the template in the cache. One that is no good is noted and
// removed.
func (t *Template) open(c templateCache, ingredients string) (found bool, err error) {
	path := c.path(t.key, templateSuffix)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		t.note("open template: %v", err)
		return false, nil
	}
	defer f.Close()
	t.snapshot, err = readTemplate(f, ingredients)
	if errors.Is(err, ErrCannotFork) {
		return false, err // not the file's fault
	}
	if err != nil {
		t.note("throw template %s away: %v", path, err)
		if err := removeIfSame(path, f); err != nil {
			t.note("throw template away: %v", err)
		}
		return false, nil
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.note("touch template: %v", err) // it may be pruned early
	}
	return true, nil
}

// removeIfSame removes path unless another file has taken the place of f.
func removeIfSame(path string, f *os.File) error {
	if !isAt(f, path) {
		return nil
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isAt(f *os.File, path string) bool {
	is, err1 := f.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(is, named)
}

func (c templateCache) path(key, suffix string) string {
	return filepath.Join(string(c), key+suffix)
}

// A part is a template's file while it is made: locked, and ours alone.
type part struct {
	*os.File
	path string
}

// lockPart waits for whoever makes the same template.
func (c templateCache) lockPart(ctx context.Context, key string) (*part, error) {
	if err := os.MkdirAll(string(c), 0o700); err != nil {
		return nil, err
	}
	path := c.path(key, partSuffix)
	for {
		p, err := tryPart(path, os.O_CREATE)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(partLockInterval):
		}
	}
}

// tryPart locks a part; EWOULDBLOCK says that someone else has it.
func tryPart(path string, flag int) (*part, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !isAt(f, path) { // it was finished or dropped since it was opened
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, unix.EWOULDBLOCK)
	}
	return &part{f, path}, nil
}

// drop gives a part up, and removes it unless it was renamed.
func (p *part) drop() {
	_ = removeIfSame(p.path, p.File) // the next one to lock it tries again
	p.Close()
}

// store fills a part and gives it its name: a reader sees all of it or none.
func (c templateCache) store(p *part, key, ingredients string, s snapshot) error {
	if err := p.Truncate(0); err != nil { // a maker that died may have written
		return err
	}
	if err := writeTemplate(p, ingredients, s); err != nil {
		return err
	}
	// Not synced: after a power cut the sum tells.
	return os.Rename(p.path, c.path(key, templateSuffix))
}

// prune removes what makers that died have left, templates not used for long,
// and the longest unused ones beyond maxTemplates, but not key's.
func (c templateCache) prune(key string) error {
	entries, err := os.ReadDir(string(c))
	if err != nil {
		return err
	}
	var templates []fs.FileInfo
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case strings.HasSuffix(e.Name(), partSuffix):
			if p, err := tryPart(filepath.Join(string(c), e.Name()), 0); err == nil {
				p.drop()
			}
		case strings.HasSuffix(e.Name(), templateSuffix):
			templates = append(templates, info)
		}
	}
	slices.SortFunc(templates, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	var total int64
	for _, info := range templates {
		total += info.Size()
		if info.Name() == key+templateSuffix || total <= maxTemplates && time.Since(info.ModTime()) < maxTemplateIdle {
			continue
		}
		if err := os.Remove(filepath.Join(string(c), info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
