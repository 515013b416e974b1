package initramfs

import (
	"context"

	"github.com/ldlab/ldlab/internal/cache"
)

// A recipe makes one file of the cache, whose name has a digest of all that
// decides its content.
type recipe struct {
	id   cache.ID
	slow string // shown to the user before the file is made; empty: it is made at once
	make func(ctx context.Context, to string) error
}

// A store is the cache as Build uses it.
type store struct {
	cache    *cache.Cache
	progress func(string)
	made     []cache.Kind // kinds of which something was added
}

// get returns the file, made if it is not in the cache or damaged. The lease
// keeps it there.
func (s *store) get(ctx context.Context, r recipe) (Image, *cache.Lease, error) {
	lease, cached, err := s.cache.Get(ctx, cache.Recipe{ID: r.id, Make: func(ctx context.Context, to string) error {
		if r.slow != "" {
			s.progress(r.slow)
		}
		return r.make(ctx, to)
	}})
	if err != nil {
		return Image{}, nil, err
	}
	if !cached {
		s.made = append(s.made, r.id.Kind)
	}
	return Image{Path: lease.Path, SHA256: lease.File.SHA256, Size: lease.File.Size, Cached: cached}, lease, nil
}

// tidy prunes the cache if something was added.
func (s *store) tidy(ctx context.Context) {
	if len(s.made) == 0 {
		return
	}
	if err := s.cache.Tidy(ctx, s.made...); err != nil && ctx.Err() == nil {
		s.progress(err.Error())
	}
}
