package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/qmp"
)

// A machine is a template's, to be saved, or a fork, to be loaded.
type machine struct {
	*vm.Machine
	moved *migration
	state *os.File // a fork's pipe, until it is loaded; nil for a template's
}

// close ends a machine.
func (m *machine) close(ctx context.Context) error {
	if m.state != nil {
		m.state.Close() // an empty pipe, or one that load has closed
	}
	return m.Machine.Close(ctx)
}

// startMachine starts QEMU with what l adds to a resolved Config.
func startMachine(ctx context.Context, config vm.Config, l vm.Launch) (*machine, error) {
	moved := newMigration()
	l.Event = moved.observe
	m, err := vm.StartWith(ctx, config, l)
	if err != nil {
		return nil, err
	}
	return &machine{Machine: m, moved: moved}, nil
}

// A migration is the one that a template's or a fork's machine goes through.
type migration struct {
	once   sync.Once
	over   chan struct{} // closed when QEMU said how it went
	status string        // what it said
}

func newMigration() *migration { return &migration{over: make(chan struct{})} }

// observe takes note of an event: MIGRATION in qapi/migration.json, QEMU 7.2.
func (g *migration) observe(e qmp.Event) {
	if e.Name != "MIGRATION" {
		return
	}
	switch status, _ := e.Data["status"].(string); status {
	case "completed", "failed", "cancelled":
		g.once.Do(func() {
			g.status = status
			close(g.over)
		})
	}
}

// Capabilities of migration. The first leaves the RAM that is a shared file
// out of the state: experimental by name, there since QEMU 4.0. The second
// makes QEMU say when it is done.
const (
	ignoreShared    = "x-ignore-shared"
	migrationEvents = "events"
)

// allow switches capabilities of migration on.
func (m *machine) allow(ctx context.Context, names ...string) error {
	type capability struct {
		Name  string `json:"capability"`
		State bool   `json:"state"`
	}
	var list []capability
	for _, name := range names {
		list = append(list, capability{name, true})
	}
	return m.Monitor().Run(ctx, "migrate-set-capabilities", map[string]any{"capabilities": list}, nil)
}

// save writes the machine's state to a snapshot, without the RAM if QEMU can
// leave that out. The guest need not be stopped for it: migration does that
// itself at its end, and a fork then runs on as soon as it is loaded.
func (m *machine) save(ctx context.Context, s *snapshot) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	var err error
	if !s.whole {
		err = m.allow(ctx, ignoreShared)
		s.whole = err != nil && ctx.Err() == nil && !errors.Is(err, qmp.ErrClosed)
	}
	if s.whole {
		err = nil
	}
	if err == nil {
		err = m.allow(ctx, migrationEvents)
	}
	if err == nil && s.whole {
		// All of RAM, as fast as it goes: the default is 128 MiB/s.
		err = m.Monitor().Run(ctx, "migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 40}, nil)
	}
	if err == nil {
		err = m.saveState(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("save machine: %w", m.explain(ctx, err))
	}
	return nil
}

// saveState has QEMU write the state, and keeps it.
func (m *machine) saveState(ctx context.Context, s *snapshot) error {
	limit := int64(maxState)
	if s.whole {
		limit += int64(s.memoryMiB) << 20
	}
	sink, theirs, err := newSink(s.state, limit)
	if err != nil {
		return err
	}
	defer sink.close()
	err = m.Monitor().RunWithFile(ctx, theirs, "getfd", map[string]any{"fdname": "state"}, nil)
	theirs.Close() // QEMU has its own: the state ends when QEMU closes it
	if err == nil {
		err = m.Monitor().Run(ctx, "migrate", map[string]any{"uri": "fd:state"}, nil)
	}
	if err == nil {
		err = m.awaitMove(ctx)
	}
	if err != nil {
		return err
	}
	select {
	case <-sink.done:
		return sink.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load has QEMU read a state from the pipe that it inherited as fdState; then
// the guest runs.
func (m *machine) load(ctx context.Context, state *os.File, capabilities ...string) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	n, err := size(state)
	if err == nil && n == 0 {
		err = errors.New("state is empty") // QEMU would wait for its first byte for ever
	}
	if err != nil {
		return fmt.Errorf("load machine: %w", err)
	}
	source := newSource(m.state, state)
	err = m.allow(ctx, capabilities...)
	if err == nil {
		err = m.Monitor().Run(ctx, "migrate-incoming", map[string]any{"uri": fmt.Sprintf("fd:%d", fdState)}, nil)
	}
	if err == nil {
		err = m.awaitMove(ctx)
	}
	sourceErr := source.close()
	if err != nil {
		err = m.explain(ctx, err)
		if sourceErr != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w (%w)", sourceErr, err)
		}
		return fmt.Errorf("load machine: %w", err)
	}
	m.SetReady()
	return nil
}

var errMoveFailed = errors.New("migration failed")

// awaitMove waits for the migration's end.
func (m *machine) awaitMove(ctx context.Context) error {
	select {
	case <-m.moved.over:
		if m.moved.status != "completed" {
			return errMoveFailed
		}
		return nil
	case <-m.Ended():
		return qmp.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain finds what is behind an error of save or load. QEMU exits where a
// state does not load, and says why.
func (m *machine) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	wait := context.WithoutCancel(ctx)
	switch {
	case errors.Is(err, errMoveFailed):
		var reason struct {
			Desc string `json:"error-desc"`
		}
		wait, cancel := context.WithTimeout(wait, queryTimeout)
		defer cancel()
		if m.Monitor().Run(wait, "query-migrate", nil, &reason) == nil && reason.Desc != "" {
			return fmt.Errorf("%w: %s", err, reason.Desc)
		}
	case !qmp.Lost(err):
		return err
	}
	wait, cancel := context.WithTimeout(wait, settleTimeout)
	defer cancel()
	select {
	case <-m.Ended():
		return errors.New(m.Wait(wait).String())
	case <-wait.Done():
		return err
	}
}
