package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// lockInterval is how often a lock is tried that another process has.
const lockInterval = 200 * time.Millisecond

// Lock takes the lock in a directory of the cache, which it makes. It waits,
// and says so, while another ldlab works there.
func Lock(ctx context.Context, name string, emit func(progress.Event)) (unlock func(), err error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, fmt.Errorf("use cache: %w", err)
	}
	l := flock.New(filepath.Join(name, ".lock"))
	ok, err := l.TryLock()
	if err == nil && !ok {
		emit(progress.Event{Phase: progress.Waiting, Message: "another ldlab is at work in " + name})
		_, err = l.TryLockContext(ctx, lockInterval)
	}
	if err != nil {
		return nil, fmt.Errorf("lock cache %s: %w", name, err)
	}
	return func() { l.Unlock() }, nil // also closed, hence unlocked, when this process ends
}
