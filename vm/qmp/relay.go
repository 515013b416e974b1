package qmp

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxReply is the longest line, in bytes, that go-qemu's monitor can read: it
// uses a bufio.Scanner.
const maxReply = bufio.MaxScanTokenSize - 1

// A relay stands between QEMU's monitor and go-qemu's SocketMonitor, which by
// itself (commit f035778) stops for good on a long reply, blocks replies
// behind events that nobody reads, loses what arrives together with the
// greeting, reuses the buffer of a reply that Run still reads, cannot close a
// connection on which Connect failed, and cannot be interrupted. The relay
// negotiates with QEMU, hands on replies of bounded length and nothing else,
// keeps the events, and can be closed on either side at any time.
type relay struct {
	qemu   *net.UnixConn
	lines  *bufio.Reader // of qemu
	client *net.UnixConn // nil until start
	event  func(Event)   // called in order; must not block
	done   sync.WaitGroup
}

func newRelay(qemu *net.UnixConn, event func(Event)) *relay {
	return &relay{qemu: qemu, lines: bufio.NewReaderSize(qemu, maxReply+1), event: event}
}

// negotiate reads QEMU's greeting and puts the monitor into command mode. It
// returns the greeting.
func (r *relay) negotiate(ctx context.Context) (greeting []byte, err error) {
	stop := context.AfterFunc(ctx, func() { r.qemu.SetDeadline(time.Unix(1, 0)) })
	greeting, err = r.greeted()
	if !stop() {
		return nil, ctx.Err()
	}
	return greeting, err
}

func (r *relay) greeted() ([]byte, error) {
	line, err := readLine(r.lines)
	if err != nil {
		return nil, err
	}
	var g struct{ QMP json.RawMessage }
	if err := json.Unmarshal(line, &g); err != nil || g.QMP == nil {
		return nil, fmt.Errorf("no greeting: %.80q", line)
	}
	greeting := bytes.Clone(line)
	if _, err := r.qemu.Write([]byte(`{"execute": "qmp_capabilities"}` + "\n")); err != nil {
		return nil, err
	}
	for {
		line, err := readLine(r.lines)
		if err != nil {
			return nil, err
		}
		if r.isEvent(line) {
			continue
		}
		var reply struct {
			Return json.RawMessage
			Error  struct{ Desc string }
		}
		if err := json.Unmarshal(line, &reply); err != nil || reply.Return == nil {
			return nil, fmt.Errorf("negotiate capabilities: %s", cmp.Or(reply.Error.Desc, fmt.Sprintf("reply %.80q", line)))
		}
		return greeting, nil
	}
}

// isEvent hands on a line that is an event.
func (r *relay) isEvent(line []byte) bool {
	var e Event
	if json.Unmarshal(line, &e) != nil || e.Name == "" {
		return false
	}
	r.event(e)
	return true
}

// start connects QEMU and the client.
func (r *relay) start(client *net.UnixConn) {
	r.client = client
	r.done.Go(r.replies)
	r.done.Go(func() {
		// If one side ends, the other goes on: events are of use after the
		// last command.
		forward(r.qemu, client)
	})
}

// replies hands on what QEMU writes, until it closes its end.
func (r *relay) replies() {
	defer r.client.Close()
	client := true
	for {
		line, err := readLine(r.lines)
		var long errLongLine
		switch {
		case err == nil:
		case errors.As(err, &long):
			line = long.reply()
		default:
			return
		}
		if r.isEvent(line) {
			continue
		}
		if client {
			_, err := r.client.Write(append(line, '\n'))
			client = err == nil
		}
	}
}

// maxCommand is how much of a command is copied at once, in bytes.
const maxCommand = 16 << 10

// forward copies commands, and the descriptors that come with them (getfd),
// until either side ends.
func forward(to, from *net.UnixConn) {
	buf, oob := make([]byte, maxCommand), make([]byte, unix.CmsgSpace(4))
	for {
		n, k, _, _, err := from.ReadMsgUnix(buf, oob)
		if n == 0 || err != nil {
			return
		}
		err = writeMessage(to, buf[:n], oob[:k])
		closeRights(oob[:k])
		if err != nil {
			return
		}
	}
}

// writeMessage writes all of b. One call may write less: sendmsg(2) on a stream
// socket returns when the peer's buffer is full. The first part takes the
// descriptors along.
func writeMessage(to *net.UnixConn, b, oob []byte) error {
	for len(b) > 0 {
		n, _, err := to.WriteMsgUnix(b, oob, nil)
		if err != nil {
			return err
		}
		b = b[n:]
		if n > 0 {
			oob = nil
		}
	}
	return nil
}

// closeRights closes the descriptors that came in a control message.
func closeRights(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return // there was none
	}
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

// hangUp ends the client's side: commands that run fail, events go on.
func (r *relay) hangUp() { r.client.Close() }

// close ends both sides and waits.
func (r *relay) close() {
	r.qemu.Close()
	r.client.Close()
	r.done.Wait()
}

// errLongLine is the number of bytes of a line that was too long to keep.
type errLongLine int

func (e errLongLine) Error() string { return fmt.Sprintf("line of %d bytes", int(e)) }

// reply is what the client gets instead of the line: the command failed.
func (e errLongLine) reply() []byte {
	return fmt.Appendf(nil, `{"error":{"class":"GenericError","desc":"reply of %d bytes exceeds %d"}}`, int(e), maxReply)
}

// readLine returns the next line without its end, valid until the next call.
// A line that r's buffer cannot hold is skipped, and the error is errLongLine.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == nil {
		return bytes.TrimRight(line, "\r\n"), nil
	}
	n := len(line)
	for err == bufio.ErrBufferFull {
		line, err = r.ReadSlice('\n')
		n += len(line)
		if err == nil {
			return nil, errLongLine(n)
		}
	}
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}
