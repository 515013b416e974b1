package template

import (
	"context"
	"sync"

	"github.com/ldlab/ldlab/vm"
)

// A standby is a QEMU that was started for the next fork and waits for its
// state. To start one takes ten times as long as to load it, and needs to know
// nothing of the fork.
type standby struct {
	mu    sync.Mutex
	on    bool           // StandBy was called, and Close was not
	ready *machine       // nil: none
	work  sync.WaitGroup // one is being started
	busy  bool           // likewise
	dir   string         // Config.Dir of ready
}

// StandBy has the template keep one QEMU started ahead of the next fork, from
// the first one on: a fork is then there sooner, and where the host has
// processors to spare it costs no more. That QEMU has nothing of the guest, and
// Close ends it.
func (t *Template) StandBy() {
	t.standby.mu.Lock()
	defer t.standby.mu.Unlock()
	t.standby.on = true
}

// prepare starts a machine for a fork like this one, if there is none yet.
func (b *standby) prepare(s snapshot, config vm.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.on || b.busy || b.ready != nil || config.Console != nil {
		return
	}
	b.busy = true
	b.work.Go(func() {
		m, err := s.start(context.Background(), config)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.busy = false; err == nil { // or the next fork tells
			b.ready, b.dir = m, config.Dir
		}
	})
}

// take gives the machine that stands by, or nil where there is none like that.
// It is the caller's from then on: it ends with ctx.
func (b *standby) take(ctx context.Context, config vm.Config) *machine {
	b.mu.Lock()
	m := b.ready
	if m == nil || config.Console != nil || config.Dir != b.dir {
		b.mu.Unlock()
		return nil
	}
	b.ready = nil
	b.mu.Unlock()
	m.Adopt(ctx, config)
	return m
}

// close ends what stands by.
func (b *standby) close() {
	b.mu.Lock()
	b.on = false
	b.mu.Unlock()
	b.work.Wait()
	if b.ready != nil {
		b.ready.close(context.Background()) // it never ran: nothing to be said of it
		b.ready = nil
	}
}
