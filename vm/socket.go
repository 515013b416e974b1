package vm

import (
	"fmt"
	"net"
	"os"
)

// A socket is the lab's end of a character device of the machine.
type socket struct {
	id   string
	conn net.Conn
}

// sockets are all of a machine's, in the order of files. Machine.Close closes
// them.
type sockets []socket

// add makes one, and returns QEMU's end of it.
func (s *sockets) add(id string) (theirs *os.File, err error) {
	a, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer a.Close() // FileConn has a copy
	ours, err := net.FileConn(a)
	if err != nil {
		theirs.Close()
		return nil, fmt.Errorf("use socket: %w", err)
	}
	*s = append(*s, socket{id, ours})
	return theirs, nil
}

// get returns one, or nil if no device has it.
func (s sockets) get(id string) net.Conn {
	for _, one := range s {
		if one.id == id {
			return one.conn
		}
	}
	return nil
}

// close closes all. Those that were closed before stay so.
func (s sockets) close() {
	for _, one := range s {
		one.conn.Close() // nothing is buffered here
	}
}

// Serial is the other end of a SerialPort: what is written here the guest reads
// there. It is nil without one, and closed by Close. What the guest writes while
// nobody reads here stalls it.
func (m *Machine) Serial() net.Conn { return m.sockets.get(idSerial) }
