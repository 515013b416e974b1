package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/vm"
)

// ErrCannotFork is in the errors of Make, Check and Template.Fork that are the
// fault of neither the guest nor the Config: QEMU or the host cannot do it. A
// boot may well work.
var ErrCannotFork = errors.New("cannot fork")

func cannotFork(err error) error { return fmt.Errorf("%w: %w", ErrCannotFork, err) }

// A Template is a machine that booted until its guest program was ready, and was
// saved to be forked. Nobody has logged in to it, and nothing in it was changed
// since it booted. It is in memory files, which the kernel keeps from being
// changed, and which disappear with the last process that has them open. Its
// methods may be called from several goroutines.
type Template struct {
	// Phases are those of the boot; zero if it came from the cache.
	Phases vm.Phases
	// Took is how long Make took.
	Took time.Duration

	config vm.Config
	argv   []string
	inputs []stamp
	key    string       // of the cache; "": not cached
	note   func(string) // gets lines for the user

	standby standby

	mu       sync.RWMutex
	snapshot snapshot
	closed   bool
}

// Make boots a machine, and saves it when its guest program is ready. If cacheDir
// is not "", Make looks into the lab's cache there for the template of exactly
// the same kernel, initrd, QEMU and arguments, and stores it if it is missing; of
// two calls at once the second waits for the first. note may be nil; it gets
// lines for the user, such as that a cached template was damaged, or that the
// cache cannot be used.
//
// If ctx is canceled, the error is that of ctx. After any other error boots can
// be tried instead: a *vm.GuestError is the guest's own fault, an ErrCannotFork
// that of the host.
func Make(ctx context.Context, config vm.Config, cacheDir string, note func(string)) (*Template, error) {
	began := time.Now()
	if note == nil {
		note = func(string) {}
	}
	t := &Template{config: config, note: note}
	if err := t.make(ctx, cacheDir); err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	t.Took = time.Since(began)
	return t, nil
}

func (t *Template) make(ctx context.Context, cacheDir string) (err error) {
	if t.config, err = t.config.Resolve(); err != nil {
		return err
	}
	if t.argv, err = t.config.Argv(); err != nil {
		return err
	}
	if t.inputs, err = stampAll(append(t.config.Inputs(), t.config.QEMU)...); err != nil {
		return err
	}
	if cacheDir == "" {
		return t.boot(ctx)
	}
	c, err := cache.Open(cacheDir, t.note)
	if err != nil {
		return err
	}
	return t.throughCache(ctx, c)
}

func (t *Template) boot(ctx context.Context) (err error) {
	t.snapshot, t.Phases, err = take(ctx, t.config)
	return err
}

// Fork starts a machine that continues from the template; Connect then makes it
// differ from other forks. config must be the template's but for Console, Dir,
// Scale and BootTimeout. The fork's console and Phases start with the fork. It
// shares with the template and with other forks the memory to which it does not
// write, and nothing to which it does. When ctx ends, so does QEMU; Close must
// still be called. A fork may outlive the template. The error is that of ctx,
// an ErrCannotFork, or that of a config that does not fit.
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
	// The caller reports what is in these files as what the guest ran.
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

// start returns a machine that runs. If the one that stood by cannot be loaded,
// perhaps because somebody ended it, another one is started.
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

// Close releases the template; its memory is free when its last fork has ended.
// What is in the cache stays there.
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

// firstDifference returns the first words in which two lists differ.
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

// A stamp shows whether a file was replaced, without reading it.
type stamp struct {
	path string
	info os.FileInfo
}

func stampAll(paths ...string) ([]stamp, error) {
	var list []stamp
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("stat input: %w", err)
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
