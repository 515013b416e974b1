// Package qmp runs commands of the QEMU Machine Protocol and hands on QEMU's
// events.
package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

// dialTimeout limits the connection to a socket of this process.
const dialTimeout = 10 * time.Second

// socketName is the name of that socket, which exists only for a moment.
const socketName = "monitor"

// A Monitor runs QMP commands. It owns the connection to QEMU.
type Monitor struct {
	relay  *relay
	client client
	busy   chan struct{} // holds one token while a command runs
}

// client is what this package uses of go-qemu's SocketMonitor.
type client interface {
	Connect() error
	RunWithFile(command []byte, file *os.File) (reply []byte, err error)
	Disconnect() error
}

// An Event is a message that QEMU sends without a command.
type Event struct {
	Name string         `json:"event"` // "SHUTDOWN", ...; see QEMU's qapi/
	Data map[string]any `json:"data"`
}

// New takes over qemu, the lab's end of QEMU's monitor, and negotiates
// capabilities. It calls event for each event in order; event must not block.
// dir is an open directory in which New makes a socket for a moment. If New
// fails, it closes qemu.
func New(ctx context.Context, qemu net.Conn, dir *os.File, event func(Event)) (*Monitor, error) {
	near, c, err := clientPair(dir)
	if err != nil {
		qemu.Close()
		return nil, err
	}
	m := &Monitor{relay: newRelay(qemu, near, event), client: c, busy: make(chan struct{}, 1)}
	if err := m.do(ctx, c.Connect); err != nil {
		// Disconnect would wait for a stream that Connect never made;
		// the connection is closed when c is collected.
		m.relay.close()
		return nil, fmt.Errorf("connect to monitor: %w", err)
	}
	return m, nil
}

// clientPair makes a connection of which go-qemu has one end: it only dials
// paths. The socket is gone again before this returns.
func clientPair(dir *os.File) (net.Conn, client, error) {
	// By way of the open directory: a socket's path has at most 107 bytes.
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for monitor: %w", err)
	}
	defer l.Close()
	q, err := qmp.NewSocketMonitor("unix", path, dialTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("dial monitor: %w", err)
	}
	client, err := l.Accept()
	if err != nil {
		return nil, nil, fmt.Errorf("accept monitor: %w", err)
	}
	return client, q, nil
}

// Run runs one command; args and out may be nil. When ctx ends, the monitor
// is of no more use but for its events.
func (m *Monitor) Run(ctx context.Context, command string, args, out any) error {
	return m.RunWithFile(ctx, nil, command, args, out)
}

// RunWithFile is Run for a command that takes a descriptor along.
func (m *Monitor) RunWithFile(ctx context.Context, file *os.File, command string, args, out any) error {
	body, err := json.Marshal(qmp.Command{Execute: command, Args: args})
	if err != nil {
		return fmt.Errorf("encode %s: %w", command, err)
	}
	err = m.do(ctx, func() error {
		reply, err := m.client.RunWithFile(body, file)
		if err != nil || out == nil {
			return err
		}
		return json.Unmarshal(reply, &struct{ Return any }{out})
	})
	if err != nil {
		return fmt.Errorf("run %s: %w", command, err)
	}
	return nil
}

// ErrClosed is in the errors of commands whose reply will never come.
var ErrClosed = errors.New("monitor closed")

// do calls f, which talks to QEMU, alone and not beyond the end of ctx.
func (m *Monitor) do(ctx context.Context, f func() error) error {
	select {
	case m.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.busy }()
	stop := context.AfterFunc(ctx, m.relay.hangUp)
	err := f()
	if !stop() {
		return ctx.Err()
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return ErrClosed // go-qemu decodes the reply that never came
	}
	return err
}

// Drain waits until QEMU has closed its end and every event was handed on.
func (m *Monitor) Drain() { m.relay.done.Wait() }

// Close ends the connection and waits for everything that used it.
func (m *Monitor) Close() {
	m.relay.close()
	m.client.Disconnect() // its peer is closed already: nothing left to fail
}

// Lost reports whether an error means that the connection to QEMU is lost.
func Lost(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
