package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
)

// coldID names the one measure that is taken over from an earlier run.
const coldID = "patch/cold"

// openCold measures the build that a patch would cost without the lab's caches:
// a cache of its own that has the source and nothing else, no compiler cache.
func openCold(ctx context.Context, b *bench) (sampler, error) {
	if !b.cold {
		return nil, errors.New("takes minutes: measured with -cold")
	}
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	own, _ := t.Kernel(ownKernel)
	spec := kernels.Spec{Kernel: own, Arch: arch.Get("x86_64")}
	return func(ctx context.Context) (float64, error) {
		// In the cache's own file system, for hard links.
		cache := filepath.Join(b.cache, "bench", "cold")
		if err := os.RemoveAll(cache); err != nil {
			return 0, fmt.Errorf("clear cold cache: %w", err)
		}
		defer os.RemoveAll(cache)
		if err := linkTree(filepath.Join(b.cache, "sources"), filepath.Join(cache, "sources")); err != nil {
			return 0, fmt.Errorf("link source: %w", err)
		}
		os.Setenv("CCACHE_DISABLE", "1")
		defer os.Unsetenv("CCACHE_DISABLE")
		start := time.Now()
		_, err := (&kernels.Builder{Cache: cache}).Build(ctx, spec)
		return time.Since(start).Seconds(), err
	}, nil
}
