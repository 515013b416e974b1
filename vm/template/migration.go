package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/qmp"
)

// A machine is one that will be saved or loaded.
type machine struct {
	*vm.Machine
	moved *migration
	limit time.Duration // for saving or loading
	state *os.File      // the pipe from which a fork will be loaded; nil for others
	first int           // the descriptor of its Launch's first file in QEMU
}

// close ends a machine.
func (m *machine) close(ctx context.Context) error {
	if m.state != nil {
		m.state.Close() // an error means that load has closed it
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
	limit := time.Duration(float64(moveTimeout) * max(1, config.Scale))
	return &machine{Machine: m, moved: moved, limit: limit, first: config.FirstFile()}, nil
}

// A migration is how QEMU saves or loads a machine.
type migration struct {
	once   sync.Once
	over   chan struct{} // closed when it has ended
	status string        // QEMU's MigrationStatus, once over is closed
}

func newMigration() *migration { return &migration{over: make(chan struct{})} }

// observe handles an event: MIGRATION in qapi/migration.json, QEMU 7.2.
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

// Capabilities of migration. The first leaves RAM in a shared file out of the
// state. QEMU 4.0 and newer have it; the x in its name is for experimental. The
// second makes QEMU send MIGRATION events.
const (
	ignoreShared    = "x-ignore-shared"
	migrationEvents = "events"
)

// allow turns capabilities of migration on.
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
// leave it out. The guest still runs: QEMU stops it at the end of the migration,
// and a fork of a guest that ran continues as soon as it is loaded.
func (m *machine) save(ctx context.Context, s *snapshot) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
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
		// The default limit is 128 MiB/s, too little for all of RAM.
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

// saveState makes QEMU write the state to a pipe, and copies it to the snapshot.
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

// load makes QEMU read a state from the pipe that it inherited as
// fileState; then the guest runs.
func (m *machine) load(ctx context.Context, state *os.File, capabilities ...string) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
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
		err = m.Monitor().Run(ctx, "migrate-incoming", map[string]any{"uri": fmt.Sprintf("fd:%d", m.first+fileState)}, nil)
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

// explain finds the cause of an error of save or load. If a state does not load,
// QEMU prints the reason and exits.
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
		wait, cancel := context.WithTimeout(wait, pace.Host().Limit(queryTimeout))
		defer cancel()
		if m.Monitor().Run(wait, "query-migrate", nil, &reason) == nil && reason.Desc != "" {
			return fmt.Errorf("%w: %s", err, reason.Desc)
		}
	case !qmp.Lost(err):
		return err
	}
	wait, cancel := context.WithTimeout(wait, pace.Host().Limit(settleTimeout))
	defer cancel()
	select {
	case <-m.Ended():
		return errors.New(m.Wait(wait).String())
	case <-wait.Done():
		return err
	}
}
