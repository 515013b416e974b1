package vm

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/vm/qmp"
	"golang.org/x/crypto/ssh"
)

// A Machine is one QEMU. Close must be called, however the machine ended.
type Machine struct {
	config  Config
	limits  timeouts
	launch  Launch
	started time.Time
	dir     *machineDir
	console *log
	stderr  *log
	proc    *proc.Process
	mon     *qmp.Monitor
	sockets sockets
	port    net.Conn      // of sockets: the guest program's
	ended   chan struct{} // closed when QEMU has exited and all of its output was read
	once    sync.Once     // Close
	closed  error         // what Close returned

	mu     sync.Mutex
	seen   evidence    // of events, which come once
	client *ssh.Client // Connect's
	bare   bool        // Exchange: plain messages on the port
	ready  time.Time
	login  time.Time
	keep   bool
	disown func() bool // after Adopt: its context no longer ends QEMU
}

// A QEMUError is a QEMU that exited before its monitor answered.
type QEMUError struct {
	Binary string
	Words  string // its exit status and its own message
}

func (e *QEMUError) Error() string { return fmt.Sprintf("run %s: %s", e.Binary, e.Words) }

// Start starts QEMU and returns when its monitor answers; the guest boots
// meanwhile. When ctx ends, so does QEMU; Close must still be called. A QEMU
// that gives up at once is a *QEMUError.
func Start(ctx context.Context, config Config) (*Machine, error) {
	config, err := config.Resolve()
	if err != nil {
		return nil, err
	}
	return startResolved(ctx, config, Launch{})
}

// startResolved is Start for a Config that was resolved.
func startResolved(ctx context.Context, config Config, l Launch) (*Machine, error) {
	dir, err := newDir(ctx, config.Dir)
	if err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	m := &Machine{config: config, limits: config.timeouts(), launch: l, dir: dir, ended: make(chan struct{})}
	if err := m.start(ctx); err != nil {
		m.Close(ctx) // of the two errors the first one counts
		return nil, fmt.Errorf("start machine: %w", err)
	}
	return m, nil
}

// Resolve fills in defaults, checks the files, and finds the QEMU binary. All
// paths of the result are absolute.
func (c Config) Resolve() (Config, error) {
	if c.Pace == nil {
		c.Pace = pace.Host()
	}
	c, err := c.withDefaults()
	if err != nil {
		return c, err
	}
	paths := c.Inputs()
	for i, path := range paths {
		if path == "" {
			return c, fmt.Errorf("configure machine: device without its file")
		}
		// CommandLine works from any directory.
		if paths[i], err = filepath.Abs(path); err != nil {
			return c, fmt.Errorf("configure machine: %w", err)
		}
	}
	c = c.WithInputs(paths)
	if err := c.checkFiles(); err != nil {
		return c, err
	}
	if c.QEMU, err = exec.LookPath(c.QEMU); err != nil {
		return c, fmt.Errorf("find QEMU (Debian package %s): %w", c.Arch.QEMUPackage, err)
	}
	return c, nil
}

// start does what Start does once there is a directory. What it leaves
// behind on an error, Close clears away.
func (m *Machine) start(ctx context.Context) (err error) {
	if err := os.WriteFile(m.dir.file(commandFile), []byte(m.CommandLine()+"\n"), 0o600); err != nil {
		return err
	}
	if m.console, err = newLog(m.ConsolePath()); err != nil {
		return err
	}
	if m.stderr, err = newLog(m.dir.file(stderrFile)); err != nil {
		return err
	}
	if err := m.exec(ctx); err != nil {
		return err
	}
	m.port = m.sockets.get(idPort)
	var drained sync.WaitGroup
	console, tee := m.sockets.get(idConsole), m.config.Console
	drained.Go(func() { drain(console, m.console, tee) })
	greeting, cancel := context.WithTimeout(ctx, m.limits.qmp)
	defer cancel()
	m.mon, err = qmp.New(greeting, m.sockets.get(idMonitor), m.dir.lock, m.observe)
	go func() {
		defer close(m.ended)
		<-m.proc.Done()
		drained.Wait()
		if m.mon != nil {
			m.mon.Drain()
		}
	}()
	if err == nil {
		return nil
	}
	// A QEMU that refuses its arguments writes why and exits.
	select {
	case <-m.proc.Done():
	case <-greeting.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err() // which ended QEMU, whatever that looked like
	}
	if greeting.Err() != nil {
		return err
	}
	return &QEMUError{m.config.QEMU, m.evidence(ctx).complaint()}
}

// exec starts QEMU with the other ends of m.sockets and the files of its Launch.
func (m *Machine) exec(ctx context.Context) error {
	argv, err := m.config.Argv()
	if err != nil {
		return err
	}
	argv = append(argv, m.launch.Args...)
	defer func() { m.launch.Files = nil }() // QEMU has them
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	for _, id := range m.config.devices().files() {
		f, err := m.sockets.add(id)
		if err != nil {
			return err
		}
		theirs = append(theirs, f)
	}
	m.started = time.Now()
	m.proc, err = proc.Start(ctx, proc.Command{
		Argv: argv, Files: slices.Concat(theirs, m.launch.Files),
		Stdout: m.stderr, Stderr: m.stderr, WaitDelay: m.limits.quit, Stopping: m.stopping,
	})
	if err != nil {
		return fmt.Errorf("run QEMU: %w", err)
	}
	return nil
}

func (m *Machine) observe(e qmp.Event) {
	if m.launch.Event != nil {
		m.launch.Event(e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.observe(e)
}

func (m *Machine) stopping() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.stopping = true
}

// CommandLine is a line for a shell that repeats this boot by hand, from any
// directory: the same machine with its console on the terminal, where Ctrl-A X
// ends it. There is nobody at the guest program's port. For a fork it is the
// boot of its template.
func (m *Machine) CommandLine() string { return shellescape.QuoteCommand(m.config.byHand()) }

// ConsolePath is the file with what the guest wrote to its console, at most
// 16 MiB of it. Close removes it unless Keep was called.
func (m *Machine) ConsolePath() string { return m.dir.file(consoleFile) }

// ConsoleTail returns the last n lines of the console, at most 64, each cut at
// 1 KiB.
func (m *Machine) ConsoleTail(n int) []string { return m.console.lines(n) }

// Keep makes Close leave the machine's directory behind.
func (m *Machine) Keep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep = true
}

// Phases are the times at which a machine reached each step, counted from the
// start of QEMU; 0: not yet.
type Phases struct {
	Console time.Duration // the first byte of the console
	Ready   time.Duration // the guest program's first word; of a fork: its state is loaded
	Login   time.Duration // the SSH connection; without SSH, the preamble is sent
}

// Phases are the steps that the machine has reached.
func (m *Machine) Phases() Phases {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := func(t time.Time) time.Duration {
		if t.IsZero() {
			return 0
		}
		return t.Sub(m.started)
	}
	return Phases{since(m.console.firstByte()), since(m.ready), since(m.login)}
}
