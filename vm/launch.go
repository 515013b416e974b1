package vm

import (
	"context"
	"os"
	"time"

	"github.com/ldlab/ldlab/vm/qmp"
)

// This file is what vm/template needs of a machine.

// FirstFile is the descriptor of a Launch's first file in QEMU.
func (c Config) FirstFile() int { return firstFD + len(c.devices().files()) }

// A Launch is what QEMU gets beyond a Config, so that the machine can be saved
// or loaded. The zero Launch adds nothing.
type Launch struct {
	Args  []string        // follow those of the Config
	Files []*os.File      // inherited as descriptors Config.FirstFile and up; the caller closes them
	Event func(qmp.Event) // nil, or called for each event of QEMU in order; must not block
}

// StartWith is Start for a Config from Resolve, with a Launch.
func StartWith(ctx context.Context, config Config, l Launch) (*Machine, error) {
	return startResolved(ctx, config, l)
}

// Monitor runs commands in QEMU. Close ends it.
func (m *Machine) Monitor() *qmp.Monitor { return m.mon }

// Ended is closed when QEMU has exited and all of its output was read.
func (m *Machine) Ended() <-chan struct{} { return m.ended }

// SetReady notes that the guest program is ready because a state was loaded in
// which it was: Connect and Exchange do not wait for its first message.
func (m *Machine) SetReady() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = time.Now()
}

// Adopt makes a machine that was started ahead the caller's: its phases count
// from now, and it ends with ctx. config must differ from the one with which it
// was started only in Scale and BootTimeout. Adopt may be called once, before
// any other method but Monitor and Ended.
func (m *Machine) Adopt(ctx context.Context, config Config) {
	stop := context.AfterFunc(ctx, m.proc.Stop)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started, m.config, m.limits, m.disown = time.Now(), config, config.timeouts(), stop
}

// Pid is QEMU's process id, which is also that of its process group.
func (m *Machine) Pid() int { return m.proc.Pid() }
