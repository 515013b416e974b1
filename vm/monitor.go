package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/digitalocean/go-qemu/qmp"
)

// A monitor runs QMP commands. It owns the connection to QEMU.
type monitor struct {
	relay *relay
	qmp   *qmp.SocketMonitor
	busy  chan struct{} // holds one token while a command runs
}

// newMonitor takes over qemu, the lab's end of QEMU's monitor, and greets it.
// Events go to event, in order; it must not block. On an error qemu is closed.
func newMonitor(ctx context.Context, qemu net.Conn, dir *machineDir, event func(qmp.Event)) (*monitor, error) {
	client, q, err := clientPair(dir)
	if err != nil {
		qemu.Close()
		return nil, err
	}
	m := &monitor{relay: newRelay(qemu, client, event), qmp: q, busy: make(chan struct{}, 1)}
	if err := m.do(ctx, q.Connect); err != nil {
		// Disconnect would wait for a stream that Connect never made;
		// the connection is closed when q is collected.
		m.relay.close()
		return nil, fmt.Errorf("connect to monitor: %w", err)
	}
	return m, nil
}

// clientPair makes a connection of which go-qemu has one end: it only dials
// paths. The socket is gone again before this returns.
func clientPair(dir *machineDir) (net.Conn, *qmp.SocketMonitor, error) {
	// By way of the open directory: a socket's path has at most 107 bytes.
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.lock.Fd())), monitorFile)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for monitor: %w", err)
	}
	defer l.Close()
	q, err := qmp.NewSocketMonitor("unix", path, qmpTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("dial monitor: %w", err)
	}
	client, err := l.Accept()
	if err != nil {
		return nil, nil, fmt.Errorf("accept monitor: %w", err)
	}
	return client, q, nil
}

// run runs one command; args and out may be nil. When ctx ends, the monitor
// is of no more use but for its events.
func (m *monitor) run(ctx context.Context, command string, args, out any) error {
	return m.runWithFile(ctx, nil, command, args, out)
}

// runWithFile is run for a command that takes a descriptor along.
func (m *monitor) runWithFile(ctx context.Context, file *os.File, command string, args, out any) error {
	body, err := json.Marshal(qmp.Command{Execute: command, Args: args})
	if err != nil {
		return fmt.Errorf("encode %s: %w", command, err)
	}
	err = m.do(ctx, func() error {
		reply, err := m.qmp.RunWithFile(body, file)
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

var errMonitorClosed = errors.New("monitor closed")

// do calls f, which talks to QEMU, alone and not beyond the end of ctx.
func (m *monitor) do(ctx context.Context, f func() error) error {
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
		return errMonitorClosed // go-qemu decodes the reply that never came
	}
	return err
}

// close ends the connection and waits for everything that used it.
func (m *monitor) close() {
	m.relay.close()
	m.qmp.Disconnect() // its peer is closed already: nothing left to fail
}
