// Package vport is the bottom of what host and guest say to each other: the
// guest's virtio-serial port, the preamble on it before anything else, and bounded
// messages. Neither side trusts the other's lengths.
package vport

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Version is the protocol's. Host and guest program are built from one tree,
// so any difference is an error, not a negotiation.
const Version uint8 = 1

// Name is the name of the virtio-serial port, as it stands in
// /sys/class/virtio-ports/*/name of the guest.
const Name = "ldlab.guest"

// MaxMessage bounds every message in bytes, its length prefix not counted.
const MaxMessage = 1 << 20

// Ready is what the guest program writes once, alone on a line, when its port
// is open and it waits for the preamble.
const Ready = "ldlab-guest ready\n"

// A Preamble is the host's first message on the port. It makes guests that
// were forked from one template differ: keys, clock and entropy are its own.
//
// With keys SSH follows, without them plain messages: a guestproto.Request and its
// frames, as often as the host likes, and an Off.
type Preamble struct {
	Version   uint8  // Version
	HostKey   []byte // the guest's SSH host key, as an OpenSSH private key in PEM
	ClientKey []byte // the only key allowed to log in, as an authorized_keys line
	Entropy   []byte // 32 fresh bytes for the guest's RNG
	UnixNano  int64  // the time now, in ns since 1970, for the guest's clock
}

// Fields is a Message's.
func (p *Preamble) Fields(c *Codec) {
	Number(c, &p.Version)
	Bytes(c, &p.HostKey)
	Bytes(c, &p.ClientKey)
	Bytes(c, &p.Entropy)
	Number(c, &p.UnixNano)
}

// A Kind begins what the host sends after the preamble.
type Kind uint8

// The kinds.
const (
	KindOff     Kind = 1 // an Off
	KindRequest Kind = 2 // a guestproto.Request
)

// Off, in the place of a guestproto.Request, tells the guest program to power off.
type Off struct{}

// Fields is a Message's.
func (*Off) Fields(c *Codec) {
	kind := KindOff
	Number(c, &kind)
	c.Demand(kind == KindOff)
}

// Commands of the guest's SSH server. Anything else is run by the shell.
const (
	CommandCell = "ldlab-cell" // guestproto.Request on stdin, guestproto.Frames on stdout
	CommandOff  = "ldlab-off"  // announce the end, sync, power off
)

// Write sends one message: its length in four bytes, big endian, and itself, in
// one write.
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

// Read receives one message into msg. It returns io.EOF only where the stream
// ends between two messages.
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
		return fmt.Errorf("decode message: %d bytes are no %T", n, msg)
	}
	return nil
}
