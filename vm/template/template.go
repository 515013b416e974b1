package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ldlab/ldlab/vm"
)

// ErrCannotFork is in the errors of Make and Template.Fork that are no
// fault of the guest or of the vm.Config: QEMU or the host can't, and a boot may
// well work.
var ErrCannotFork = errors.New("cannot fork")

func cannotFork(err error) error { return fmt.Errorf("%w: %w", ErrCannotFork, err) }

// A Template is a machine that booted once up to the guest program's first
// word, and stands still to be forked. Nobody has logged in to it, and nothing
// in it was changed since it booted. It is in memory files that the kernel
// keeps from being changed, and that are gone with the last process which has
// them. Its methods may be called from several goroutines.
type Template struct {
	// Phases are those of the boot; zero where it came from the cache.
	Phases vm.Phases
	// Took is how long Make took.
	Took time.Duration
	// Notes are for the user, a line each: a cached template that was
	// thrown away and why, a cache that can't be used.
	Notes []string

	config vm.Config
	argv   []string
	inputs []stamp
	key    string // of the cache; "": not cached

	standby standby

	mu       sync.RWMutex
	snapshot snapshot
	closed   bool
}

// Make boots a machine, and saves it when its guest program is ready.
// Where cacheDir is not "" it opens the template that an earlier call left
// there for the very same kernel, initrd, QEMU and arguments, or leaves one; of
// two calls at once the second waits for the first. The directory holds
// templates and nothing else; what was not used for a week is removed from it,
// and the oldest beyond 4 GiB.
//
// Where ctx is canceled the error is ctx's. After any other error boots can be
// tried instead: a *GuestError is the guest's own doing, an ErrCannotFork the
// host's.
func Make(ctx context.Context, config vm.Config, cacheDir string) (*Template, error) {
	began := time.Now()
	t, err := makeTemplate(ctx, config, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	t.Took = time.Since(began)
	return t, nil
}

func makeTemplate(ctx context.Context, config vm.Config, cacheDir string) (*Template, error) {
	config, err := config.Resolve()
	if err != nil {
		return nil, err
	}
	t := &Template{config: config}
	if t.argv, err = config.Argv(); err != nil {
		return nil, err
	}
	inputs := []string{config.Kernel, config.Initrd, config.QEMU}
	if config.Firmware != "" {
		inputs = append(inputs, config.Firmware)
	}
	if t.inputs, err = stampAll(inputs...); err != nil {
		return nil, err
	}
	if cacheDir != "" {
		err = t.throughCache(ctx, templateCache(cacheDir))
	} else {
		err = t.boot(ctx)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Template) boot(ctx context.Context) (err error) {
	t.snapshot, t.Phases, err = take(ctx, t.config)
	return err
}

func (t *Template) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// Fork starts a machine that goes on where the template stands; Connect then
// makes it differ from other forks. config must be the template's but for
// Console, Dir, Scale and BootTimeout. The fork's console and Phases start with
// the fork. It shares with the template and with other forks the memory that
// it does not write to, and nothing that it writes. When ctx ends, so does
// QEMU; Close must still be called. A fork may outlive the template.
func (t *Template) Fork(ctx context.Context, config vm.Config) (*vm.Machine, error) {
	m, err := t.fork(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("fork machine: %w", err)
	}
	return m.Machine, nil
}

func (t *Template) fork(ctx context.Context, config vm.Config) (*machine, error) {
	config, err := config.Resolve()
	if err != nil {
		return nil, err
	}
	argv, err := config.Argv()
	if err != nil {
		return nil, err
	}
	if got, want, same := firstDifference(argv, t.argv); !same {
		return nil, fmt.Errorf("config has %q where the template has %q", got, want)
	}
	// QEMU loads these files once more. What is in them now is not what
	// the guest runs, and a caller would report it as if it were.
	if err := checkStamps(t.inputs); err != nil {
		return nil, cannotFork(err)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return nil, errors.New("template is closed")
	}
	m, err := t.start(ctx, config)
	if err != nil {
		if ctx.Err() == nil {
			err = cannotFork(err)
		}
		return nil, err
	}
	t.standby.prepare(ctx, t.snapshot, config)
	return m, nil
}

// start gives a machine that goes on. One that stood by, and failed for
// whatever befell it meanwhile, is not the last word.
func (t *Template) start(ctx context.Context, config vm.Config) (*machine, error) {
	if m := t.standby.take(ctx, config); m != nil && t.snapshot.load(ctx, m) == nil {
		return m, nil
	}
	m, err := t.snapshot.start(ctx, config)
	if err == nil {
		err = t.snapshot.load(ctx, m)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Close gives the template up, and with its last fork also its memory. What is
// in the cache stays there.
func (t *Template) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		t.standby.close()
		t.snapshot.close()
	}
	return nil
}

// firstDifference finds where two argument lists part.
func firstDifference(a, b []string) (inA, inB string, same bool) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return "", b[i], false
		case i >= len(b):
			return a[i], "", false
		case a[i] != b[i]:
			return a[i], b[i], false
		}
	}
	return "", "", true
}

// A stamp is what tells that a file was replaced, short of reading it.
type stamp struct {
	path string
	info os.FileInfo
}

func stampAll(paths ...string) ([]stamp, error) {
	var list []stamp
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look at input: %w", err)
		}
		list = append(list, stamp{path, info})
	}
	return list, nil
}

func checkStamps(list []stamp) error {
	i := slices.IndexFunc(list, func(s stamp) bool {
		now, err := os.Stat(s.path)
		return err != nil || !os.SameFile(now, s.info) || now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime())
	})
	if i >= 0 {
		return fmt.Errorf("%s changed since the template was made", list[i].path)
	}
	return nil
}
