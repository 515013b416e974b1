package template

import (
	"context"
	"sync"

	"github.com/ldlab/ldlab/vm"
)

// A standby is a QEMU that was started ahead of the next fork and waits for its
// state. Starting one takes ten times as long as loading it, and depends on
// nothing of the fork.
type standby struct {
	mu    sync.Mutex
	on    bool               // StandBy was called, and Close was not
	ready *machine           // nil: none
	dir   string             // Config.Dir of ready
	busy  bool               // one is being started
	work  sync.WaitGroup     // likewise
	ctx   context.Context    // of ready, or of the one that is being started
	end   context.CancelFunc // ends ctx; nil if there is neither
}

// StandBy makes the template keep one QEMU started ahead of the next fork, from
// the first fork on. Forks then start sooner, and if the host has idle
// processors it costs nothing. That QEMU has nothing of the guest, and Close ends
// it.
func (t *Template) StandBy() {
	t.standby.mu.Lock()
	defer t.standby.mu.Unlock()
	t.standby.on = true
}

// prepare starts a machine for a fork like this one, if there is none yet. It
// keeps the values of ctx, and ends with close instead of ctx.
func (b *standby) prepare(ctx context.Context, s snapshot, config vm.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.on || b.busy || b.ready != nil || config.Console != nil {
		return
	}
	b.busy = true
	b.ctx, b.end = context.WithCancel(context.WithoutCancel(ctx))
	b.work.Go(func() {
		m, err := s.start(b.ctx, config)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.busy = false
		if err != nil {
			b.end() // the next fork reports the error
			return
		}
		b.ready, b.dir = m, config.Dir
	})
}

// take returns the machine that stands by, or nil if there is none that fits.
// From then on it is the caller's, and ends with ctx.
func (b *standby) take(ctx context.Context, config vm.Config) *machine {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.ready
	if m == nil || config.Console != nil || config.Dir != b.dir {
		return nil
	}
	b.ready, b.end = nil, nil
	m.Adopt(ctx, config)
	return m
}

// close ends what stands by, and what is being started, without waiting for its
// timeouts.
func (b *standby) close() {
	b.mu.Lock()
	b.on = false
	if b.end != nil {
		b.end()
	}
	b.mu.Unlock()
	b.work.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ready != nil {
		b.ready.close(b.ctx) // it ran no guest, so an error has no meaning
		b.ready = nil
	}
}
