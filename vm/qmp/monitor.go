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
	"syscall"
)

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

// New takes over qemu, the lab's end of QEMU's monitor, which must be a Unix
// socket, and negotiates capabilities. It calls event for each event in order;
// event must not block. dir is an open directory in which New makes a socket for
// a moment. If New fails, it closes qemu; the error is that of ctx, if ctx ended.
func New(ctx context.Context, qemu net.Conn, dir *os.File, event func(Event)) (*Monitor, error) {
	m, err := connect(ctx, qemu, dir, event)
	if err != nil {
		qemu.Close()
		return nil, fmt.Errorf("connect to monitor: %w", err)
	}
	return m, nil
}

func connect(ctx context.Context, qemu net.Conn, dir *os.File, event func(Event)) (*Monitor, error) {
	conn, ok := qemu.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("%T is no Unix socket", qemu)
	}
	r := newRelay(conn, event)
	greeting, err := r.negotiate(ctx)
	if err != nil {
		return nil, err
	}
	// Only now, because go-qemu cannot close a connection on which its
	// Connect failed.
	near, c, err := newClient(dir, greeting)
	if err != nil {
		return nil, err
	}
	r.start(near)
	return &Monitor{relay: r, client: c, busy: make(chan struct{}, 1)}, nil
}

// Run runs one command; args and out may be nil. QEMU's refusal is an error. If
// ctx ends first, the error is that of ctx, and from then on the monitor hands on
// events but runs no more commands.
func (m *Monitor) Run(ctx context.Context, command string, args, out any) error {
	return m.RunWithFile(ctx, nil, command, args, out)
}

// RunWithFile is Run for a command that needs a descriptor, such as getfd.
func (m *Monitor) RunWithFile(ctx context.Context, file *os.File, command string, args, out any) error {
	body, err := json.Marshal(message{Execute: command, Arguments: args})
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

// message is a command as QEMU reads it.
type message struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
}

// ErrClosed is in the errors of commands whose reply will never come.
var ErrClosed = errors.New("monitor closed")

// do calls f, which uses the client, while nobody else does, and makes it fail
// when ctx ends.
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
	m.client.Disconnect() // its peer is closed already, so an error has no meaning
}

// Lost reports whether an error means that the connection to QEMU is lost.
func Lost(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
