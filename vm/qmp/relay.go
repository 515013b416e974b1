package qmp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// maxReply is the longest line that go-qemu's monitor survives: it reads with
// a bufio.Scanner.
const maxReply = bufio.MaxScanTokenSize - 1

// A relay stands between QEMU's monitor and go-qemu's SocketMonitor, which by
// itself (commit f035778) stops for good on a long reply, blocks replies
// behind events that nobody reads, loses what arrives together with the
// greeting, reuses the buffer of a reply that Run is still reading, and can't
// be interrupted. The relay hands on replies of bounded length and nothing
// else, keeps the events, and can be closed on either side at any time.
type relay struct {
	qemu, client net.Conn
	event        func(Event) // called in order; must not block
	done         sync.WaitGroup
}

func newRelay(qemu, client net.Conn, event func(Event)) *relay {
	r := &relay{qemu: qemu, client: client, event: event}
	r.done.Go(r.replies)
	r.done.Go(func() {
		// The end of one side is not the end of the other: events are
		// worth having after the last command.
		forward(qemu, client)
	})
	return r
}

// replies passes on what QEMU says, until it says nothing more.
func (r *relay) replies() {
	defer r.client.Close()
	lines := bufio.NewReaderSize(r.qemu, maxReply+1)
	client := true
	for {
		line, err := readLine(lines)
		var long errLongLine
		switch {
		case err == nil:
		case asLong(err, &long):
			line = long.reply()
		default:
			return
		}
		var e Event
		if json.Unmarshal(line, &e) == nil && e.Name != "" {
			r.event(e)
			continue
		}
		if client {
			_, err := r.client.Write(append(line, '\n'))
			client = err == nil
		}
	}
}

// forward copies commands, and the descriptors that come with them (getfd),
// until either side ends.
func forward(to, from net.Conn) {
	src, ok1 := from.(*net.UnixConn)
	dst, ok2 := to.(*net.UnixConn)
	if !ok1 || !ok2 {
		io.Copy(to, from)
		return
	}
	buf, oob := make([]byte, 16<<10), make([]byte, unix.CmsgSpace(4))
	for {
		n, k, _, _, err := src.ReadMsgUnix(buf, oob)
		if n == 0 || err != nil {
			return
		}
		_, _, err = dst.WriteMsgUnix(buf[:n], oob[:k], nil)
		closeRights(oob[:k])
		if err != nil {
			return
		}
	}
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

// hangUp ends the client's side: commands under way fail, events go on.
func (r *relay) hangUp() { r.client.Close() }

// close ends both sides and waits.
func (r *relay) close() {
	r.qemu.Close()
	r.client.Close()
	r.done.Wait()
}

// errLongLine counts the bytes of a line that was too long to keep.
type errLongLine int

func (e errLongLine) Error() string { return fmt.Sprintf("line of %d bytes", int(e)) }

// reply stands in for the line: to the client, the command failed.
func (e errLongLine) reply() []byte {
	return fmt.Appendf(nil, `{"error":{"class":"GenericError","desc":"reply of %d bytes exceeds %d"}}`, int(e), maxReply)
}

func asLong(err error, long *errLongLine) bool {
	l, ok := err.(errLongLine)
	*long = l
	return ok
}

// readLine returns the next line without its end, valid until the next call.
// A line that r's buffer can't hold is skipped, and reported as errLongLine.
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
