package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/ldlab/ldlab/vm"
)

// The files of a Launch: their descriptors in QEMU, counted from
// vm.Config.FirstFile.
const (
	fileRAM = iota
	fileState
	fileForkKernel
)

// inherited is the path of a file of a Launch in QEMU.
func inherited(config vm.Config, file int) string { return fdPath(config.FirstFile() + file) }

// A snapshot is a saved machine, in memory files.
type snapshot struct {
	memoryMiB int
	ram       *os.File // the guest's RAM
	state     *os.File // of every device
	whole     bool     // the state has the RAM too, and ram is nil
}

// newSnapshot makes the files of a snapshot. They take memory as they are filled.
func newSnapshot(memoryMiB int) (s snapshot, err error) {
	s.memoryMiB = memoryMiB
	if s.ram, err = newMemory("ram", int64(memoryMiB)<<20); err != nil {
		return s, err
	}
	if s.state, err = newMemory("state", 0); err != nil {
		s.close()
		return s, err
	}
	return s, nil
}

// close closes the files. Machines that have them open keep them.
func (s snapshot) close() {
	for _, f := range []*os.File{s.ram, s.state} {
		if f != nil {
			f.Close() // nothing is written back, so nothing can fail
		}
	}
}

// seal protects a complete snapshot from changes, after QEMU has exited.
func (s *snapshot) seal() error {
	if s.whole && s.ram != nil {
		s.ram.Close()
		s.ram = nil
	}
	for _, f := range []*os.File{s.ram, s.state} {
		if f == nil {
			continue
		}
		if err := seal(f); err != nil {
			return err
		}
	}
	return nil
}

// backend makes the guest's RAM an object of QEMU's, which can be a file.
func (s snapshot) backend(kind, options string) []string {
	return []string{
		"-object", kind + ",id=ram,size=" + strconv.Itoa(s.memoryMiB) + "M" + options,
		"-machine", "memory-backend=ram", // is added to the first -machine
	}
}

// base is for the machine that will be saved: its RAM is the snapshot's file.
func (s snapshot) base(config vm.Config) vm.Launch {
	return vm.Launch{
		Args:  s.backend("memory-backend-file", ",share=on,mem-path="+inherited(config, fileRAM)),
		Files: []*os.File{s.ram},
	}
}

// start starts a machine that waits for load. It maps the RAM privately: the
// kernel copies each page to which its guest writes, and no other fork sees it.
func (s snapshot) start(ctx context.Context, config vm.Config) (*machine, error) {
	state, ours, err := newPipe()
	if err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	defer state.Close() // QEMU has a copy
	m, err := s.startFrom(ctx, config, state)
	if err != nil {
		ours.Close()
		return nil, err
	}
	m.state = ours
	return m, nil
}

// startFrom starts a machine that waits for its state in a pipe.
func (s snapshot) startFrom(ctx context.Context, config vm.Config, state *os.File) (*machine, error) {
	l := vm.Launch{}
	if s.whole {
		l.Args = s.backend("memory-backend-ram", "")
		l.Files = []*os.File{state, state} // twice, so that fileState is the same as below
	} else {
		l.Args = s.backend("memory-backend-file", ",share=off,mem-path="+inherited(config, fileRAM))
		l.Files = []*os.File{s.ram, state}
	}
	l.Args = append(l.Args, "-incoming", "defer") // migrate-incoming comes after the capabilities
	if header := config.Arch.ForkKernel; header != nil {
		// QEMU uses the last -kernel and -initrd.
		file, err := newMemoryOf("fork-kernel", header)
		if err != nil {
			return nil, fmt.Errorf("start machine: %w", err)
		}
		defer file.Close()
		path := inherited(config, fileForkKernel)
		l.Args = append(l.Args, "-kernel", path, "-initrd", path)
		l.Files = append(l.Files, file)
	}
	return startMachine(ctx, config, l)
}

// load makes a machine from start continue from the snapshot. If it cannot, the
// machine is closed.
func (s snapshot) load(ctx context.Context, m *machine) error {
	capabilities := []string{migrationEvents}
	if !s.whole {
		capabilities = append(capabilities, ignoreShared)
	}
	err := m.load(ctx, s.state, capabilities...)
	if err != nil {
		m.close(context.WithoutCancel(ctx)) // of the two errors the first one counts
	}
	return err
}

// take boots a machine until its guest program is ready, and saves it.
func take(ctx context.Context, config vm.Config) (s snapshot, phases vm.Phases, err error) {
	return takeWhen(ctx, config, func(m *machine) error {
		err := m.AwaitReady(ctx)
		if err == nil {
			settle(ctx, settleTime(config))
		}
		return err
	})
}

// takeWhen starts a machine and saves it when ready returns. Extra arguments are
// QEMU's. An error of ready is returned as it is; all others but that of ctx are
// an ErrCannotFork.
func takeWhen(ctx context.Context, config vm.Config, ready func(*machine) error, args ...string) (s snapshot, phases vm.Phases, err error) {
	if s, err = newSnapshot(config.MemoryMiB); err != nil {
		return s, phases, cannotFork(err)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	l := s.base(config)
	l.Args = append(l.Args, args...)
	m, err := startMachine(ctx, config, l)
	if err != nil {
		if ctx.Err() == nil {
			err = cannotFork(err) // this QEMU may have no memory backends
		}
		return s, phases, err
	}
	if err = ready(m); err == nil {
		if err = m.save(ctx, &s); err != nil && ctx.Err() == nil {
			err = cannotFork(err)
		}
	}
	phases = m.Phases()
	if err = errors.Join(err, m.close(context.WithoutCancel(ctx))); err != nil {
		return s, phases, err
	}
	if err = s.seal(); err != nil {
		return s, phases, cannotFork(err)
	}
	return s, phases, nil
}

// settle gives a guest time for what it does when it is idle.
func settle(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// settleTime is settleBeforeSave for a machine.
func settleTime(config vm.Config) time.Duration {
	return time.Duration(min(config.Scale, config.NominalScale()) * float64(settleBeforeSave))
}
