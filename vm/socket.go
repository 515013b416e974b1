package vm

import (
	"context"
	"fmt"
	"io"
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

// Break puts a break on the line of the board's serial port, the console, and
// then text. A kernel with CONFIG_MAGIC_SYSRQ_SERIAL takes the first character
// after a break as a key that was pressed with SysRq, if something in the guest
// has the port open (include/linux/serial_core.h:uart_handle_break, v6.12). Break
// returns when QEMU has both; the guest may read them later.
func (m *Machine) Break(ctx context.Context, text string) error {
	if err := m.mon.Run(ctx, "chardev-send-break", map[string]string{"id": idConsole}, nil); err != nil {
		return fmt.Errorf("send break: %w", err)
	}
	if _, err := io.WriteString(m.sockets.get(idConsole), text); err != nil {
		return fmt.Errorf("send after break: %w", err)
	}
	return nil
}
