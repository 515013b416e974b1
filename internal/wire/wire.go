// Package wire is what host and guest say to each other over the guest's
// virtio port: one preamble, then SSH, and inside an SSH session a request and
// a stream of frames. The guest is not trusted: every read is bounded.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// Version is the protocol's. Host and guest program are built from one tree,
// so any difference is an error, not a negotiation.
const Version = 1

// Port is the name of the virtio-serial port, as it stands in
// /sys/class/virtio-ports/*/name of the guest.
const Port = "ldlab.ssh"

// MaxMessage bounds every message in bytes, its length prefix not counted.
const MaxMessage = 1 << 20

// Ready is what the guest program writes once, alone on a line, when its port
// is open and it waits for the preamble.
const Ready = "ldlab-guest ready\n"

// A Preamble is the host's first message on the port. It makes guests that
// were forked from one template differ: keys, clock and entropy are its own.
type Preamble struct {
	Version   int    // Version
	HostKey   []byte // the guest's SSH host key, as an OpenSSH private key in PEM
	ClientKey []byte // the only key allowed to log in, as an authorized_keys line
	Entropy   []byte // 32 fresh bytes for the guest's RNG
	UnixNano  int64  // the time now, in ns since 1970, for the guest's clock
}

// Commands of the guest's SSH server. Anything else is run by the shell.
const (
	CommandCell = "ldlab-cell" // Request on stdin, Frames on stdout
	CommandOff  = "ldlab-off"  // announce the end, sync, power off
)

// A Request asks the guest program to lock something and to run probes.
type Request struct {
	Version int              // Version
	Kind    lockdown.Kind    // the interface the kernel is expected to have
	Setting lockdown.Setting // what is locked; the guest locks it if it is delivered at run time
	Probes  []string         // names, in the order in which they are to run
	Scale   float64          // multiplies the guest's own deadlines
}

// A Frame carries exactly one of its fields.
type Frame struct {
	Seq         int                    // counts from 0; a gap is an error
	State       *State                 `json:",omitempty"`
	Observation *scenarios.Observation `json:",omitempty"`
	Error       string                 `json:",omitempty"` // the guest cannot go on; ends the stream
	End         *End                   `json:",omitempty"` // the stream is complete
}

// An End closes a stream. A stream without it was cut off.
type End struct {
	Observations int // how many were sent
}

// A State is what the guest's kernel says of itself.
type State = scenarios.State

// ErrCut is returned by ReadFrames for a stream that ended without its End.
var ErrCut = errors.New("stream cut off before its end")

// Write sends one message: its length in four bytes, big endian, and JSON.
func Write(w io.Writer, msg any) error {
	body, err := json.Marshal(msg)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > MaxMessage {
		return fmt.Errorf("encode message: %d bytes exceed %d", len(body), MaxMessage)
	}
	buf := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	if _, err := w.Write(append(buf, body...)); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// Read receives one message into msg. It returns io.EOF only where the stream
// ends between two messages.
func Read(r io.Reader, msg any) error {
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
	if err := json.Unmarshal(body, msg); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}

// ReadFrames hands each frame before the end to visit, and returns nil only
// for a stream that was complete: numbered without a gap, closed by an End
// that counts as many observations as came.
func ReadFrames(r io.Reader, visit func(Frame) error) error {
	observations := 0
	for seq := 0; ; seq++ {
		var f Frame
		switch err := Read(r, &f); {
		case err == io.EOF:
			return ErrCut
		case err != nil:
			return err
		}
		if f.Seq != seq {
			return fmt.Errorf("read frame: got number %d, want %d", f.Seq, seq)
		}
		switch {
		case f.Error != "":
			return fmt.Errorf("guest: %.200s", f.Error)
		case f.End != nil:
			if f.End.Observations != observations {
				return fmt.Errorf("read frames: end counts %d observations, %d came", f.End.Observations, observations)
			}
			return nil
		case f.State == nil && f.Observation == nil:
			return fmt.Errorf("read frame %d: empty", seq)
		case f.Observation != nil:
			observations++
		}
		if err := visit(f); err != nil {
			return err
		}
	}
}
