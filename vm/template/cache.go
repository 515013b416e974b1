package template

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ldlab/ldlab/internal/cache"
)

// throughCache takes the template from the cache, or boots it and stores it
// there. Trouble with the cache is noted, and costs no more than a boot.
func (t *Template) throughCache(ctx context.Context, c *cache.Cache) error {
	what, err := ingredients(ctx, t.config)
	if err != nil {
		return err
	}
	t.key = keyOf(what)
	var have bool   // there is a snapshot
	var fault error // of the guest or of the host, not of the cache
	lease, found, err := c.Get(ctx, cache.Recipe{
		ID: cache.ID{Kind: cache.Templates, Name: t.key + ".template"},
		Check: func(path string) error {
			if have || fault != nil {
				return nil // this call made it
			}
			s, err := openTemplate(path, what)
			if errors.Is(err, ErrCannotFork) {
				fault = err
				return nil // the file is intact
			}
			if err == nil {
				t.snapshot, have = s, true
			}
			return err
		},
		Make: func(ctx context.Context, path string) error {
			if fault = t.boot(ctx); fault != nil {
				return fault
			}
			have = true
			return storeTemplate(path, what, t.snapshot)
		},
	})
	lease.Close() // the content is in memory
	switch {
	case fault != nil:
		return fault
	case have && err != nil:
		t.note(fmt.Sprintf("store template: %v", err))
		return nil
	case have && !found:
		if err := c.Tidy(ctx, cache.Templates); err != nil && ctx.Err() == nil {
			t.note(fmt.Sprintf("prune templates: %v", err))
		}
		return nil
	case have:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	t.note(fmt.Sprintf("use no template cache: %v", err))
	return t.boot(ctx)
}

// openTemplate reads a template's file. An ErrCannotFork is not the file's fault.
func openTemplate(path, ingredients string) (snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return snapshot{}, err
	}
	defer f.Close()
	return readTemplate(f, ingredients)
}

// storeTemplate writes a template's file. It is not synced: after a power cut the
// checksum does not match.
func storeTemplate(path, ingredients string, s snapshot) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	err = writeTemplate(f, ingredients, s)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write template: %w", closeErr)
	}
	return err
}
