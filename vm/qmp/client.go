package qmp

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/digitalocean/go-qemu/qmp"
)

// noTimeout lets go-qemu connect without a limit: a listening Unix socket with
// room in its queue, such as that of clientPair, takes a connection at once.
const noTimeout = 0

// socketName is the name of that socket, which exists only for a moment.
const socketName = "monitor"

// newClient returns go-qemu's monitor, connected to the relay's end near. It
// negotiates with this function, which repeats QEMU's greeting: QEMU's own
// negotiation is over.
func newClient(dir *os.File, greeting []byte) (near *net.UnixConn, c client, err error) {
	near, c, err = clientPair(dir)
	if err != nil {
		return nil, nil, err
	}
	if _, err = near.Write(append(bytes.Clone(greeting), "\n{\"return\": {}}\n"...)); err == nil {
		if err = c.Connect(); err == nil {
			err = readCommand(near)
		}
	}
	if err != nil {
		near.Close()
		return nil, nil, fmt.Errorf("send greeting: %w", err)
	}
	return near, c, nil
}

// readCommand drops what Connect sends: one line, and nothing after it yet.
func readCommand(near *net.UnixConn) error {
	var line []byte
	buf := make([]byte, 256)
	for !bytes.HasSuffix(line, []byte("\n")) {
		n, err := near.Read(buf)
		if line = append(line, buf[:n]...); err != nil {
			return err
		}
	}
	return nil
}

// clientPair makes a connection of which go-qemu has one end, because go-qemu
// only dials paths. The socket is removed before this returns.
func clientPair(dir *os.File) (*net.UnixConn, client, error) {
	// By way of the open directory, because a socket's path has at most 107
	// bytes.
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, fmt.Errorf("listen for client: %w", err)
	}
	defer l.Close()
	c, err := qmp.NewSocketMonitor("unix", path, noTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("connect client: %w", err)
	}
	near, err := l.AcceptUnix()
	if err != nil {
		return nil, nil, fmt.Errorf("accept client: %w", err)
	}
	return near, c, nil
}
