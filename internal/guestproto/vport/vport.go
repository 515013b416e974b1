// Package vport is the lower part of the protocol between host and guest: the
// name of the guest's virtio-serial port, the preamble, and bounded messages.
// Neither side trusts the other's lengths. Nothing here knows what a probe is, so
// that package vm may import it.
package vport

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Version is the version of the protocol: of the preamble, of requests and of
// frames. Host and guest program are built from one tree, so a difference is an
// error and not negotiated.
const Version uint8 = 4

// Name is the name of the virtio-serial port, which a guest finds in
// /sys/class/virtio-ports/*/name.
const Name = "ldlab.guest"

// MaxMessage bounds a message, in bytes without its length prefix.
const MaxMessage = 1 << 20

// Ready is the line that the guest program writes once, when it has opened the
// port and waits for the preamble.
const Ready = "ldlab-guest ready\n"

// A Preamble is the host's first message on the port. Guests that were forked
// from one template differ by its keys, time and entropy.
//
// If it has keys, SSH follows. Otherwise messages follow: any number of
// guestproto.Requests, each answered by frames, and an Off.
type Preamble struct {
	Version   uint8  // Version
	HostKey   []byte // the guest's SSH host key, as an OpenSSH private key in PEM
	ClientKey []byte // the only key that may log in, as an authorized_keys line
	Entropy   []byte // 32 fresh bytes for the guest's RNG
	UnixNano  int64  // the time now, in ns since 1970, for the guest's clock
}

// Fields implements Message.
func (p *Preamble) Fields(c *Codec) {
	Number(c, &p.Version)
	Bytes(c, &p.HostKey)
	Bytes(c, &p.ClientKey)
	Bytes(c, &p.Entropy)
	Number(c, &p.UnixNano)
}

// A Kind is the first field of each message that the host sends after the
// preamble.
type Kind uint8

// The kinds.
const (
	KindOff     Kind = 1 // an Off
	KindRequest Kind = 2 // a guestproto.Request
)

// Off takes the place of a guestproto.Request. The guest program powers off.
type Off struct{}

// Fields implements Message.
func (*Off) Fields(c *Codec) {
	kind := KindOff
	Number(c, &kind)
	c.Demand(kind == KindOff)
}

// Commands of the guest's SSH server. The shell runs any other command.
const (
	CommandCell = "ldlab-cell" // a guestproto.Request on stdin, its frames on stdout
	CommandOff  = "ldlab-off"  // ends the session, syncs and powers off
)

// Write writes one message with one call of w.Write: its length in four bytes,
// big endian, and the encoded message. A message over MaxMessage is an error, and
// nothing is written then. Write sets no deadline: it blocks as long as w does.
func Write(w io.Writer, msg Message) error {
	buf := encode(make([]byte, 4, 1024), msg)
	n := len(buf) - 4
	if n > MaxMessage {
		return fmt.Errorf("encode message: %d bytes exceed %d", n, MaxMessage)
	}
	binary.BigEndian.PutUint32(buf, uint32(n))
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// Read reads one message into msg. The error is io.EOF if and only if the stream
// ends before the message; a stream that ends within it gives one that wraps
// io.ErrUnexpectedEOF. If the bytes are no such message, or longer than
// MaxMessage, the error is another one and msg is undefined. Read sets no
// deadline: it blocks as long as r does.
func Read(r io.Reader, msg Message) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if err == io.EOF {
			return io.EOF
		}
		return fmt.Errorf("read message length: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxMessage {
		return fmt.Errorf("read message: length %d exceeds %d", n, MaxMessage)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read message of %d bytes: %w", n, err)
	}
	if !decode(body, msg) {
		return fmt.Errorf("decode message: %d bytes are not a %T", n, msg)
	}
	return nil
}
