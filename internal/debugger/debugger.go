// Package debugger lets a program in a guest use the debugger that is built into
// its kernel. The kernel stops all programs while its debugger runs, so the
// commands have to come from the other end of the guest's serial port. The
// program sends the host a script, stops the kernel, and fetches the outputs when
// the kernel runs again. The host knows neither kdb nor gdb; the script does. A
// step may also press a key with SysRq, which only the host can.
//
// Both ends bound what they read in size. The host also bounds the time; the
// guest's program has the deadline of its port. The order is
//
//	guest: a script       host: ready, or an error
//	       (the kernel stops, answers the script, and continues)
//	guest: done           host: the outputs
package debugger

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// Bounds of a script and of its outputs, in steps and in bytes.
const (
	MaxSteps  = 32
	maxWord   = 256       // of each field of a step
	maxLook   = 8         // expressions that a step looks for
	maxOutput = 8 << 10   // of a step's text
	maxTotal  = 96 << 10  // of all outputs: texts and what was found in them
	maxLine   = 512 << 10 // of a message: quoting makes a byte at most four
)

// A Step sends a command to the kernel and waits for its output.
type Step struct {
	// When is a regular expression. The step is skipped if the output of the
	// last step that was done does not match it. "": it is never skipped.
	When string

	// Key is one character that the host sends to the kernel's console after a
	// break: on a serial line that is SysRq and the key. It comes before Send.
	// "": none.
	Key string

	// Keyboard has the host press Key with Alt and SysRq on the machine's
	// keyboard instead.
	Keyboard bool

	// Send is written to the kernel. ${name} is replaced by the last match of
	// the group of that name in any Until, or by nothing if there was none.
	Send string

	// Until is a regular expression. The step's output is what is read up to
	// the end of the first match. "": the step has no output.
	Until string

	// Look are regular expressions that are searched for in the output.
	Look []string
}

// An Output is the result of a step.
type Output struct {
	Done bool   // the step was not skipped
	Text string // at most 8 KiB

	// Found has an entry for each of the step's Look: the match of its first
	// named group, or the whole match if no group has a name; "" without a
	// match. Matching happens on the host, so that the guest program, which is
	// started for every probe, need not link regexp.
	Found []string
}

// Shows reports whether the step's Look number i matched.
func (o Output) Shows(i int) bool { return i < len(o.Found) && o.Found[i] != "" }

// A message is sent as a line: the mark and the encoded message, quoted as in
// Go, in ASCII.
type message struct {
	Script  []Step
	Ready   bool
	Done    bool
	Outputs []Output
	Error   string
}

// Fields implements vport.Message.
func (m *message) Fields(c *vport.Codec) {
	vport.List(c, &m.Script, func(c *vport.Codec, s *Step) {
		vport.Text(c, &s.When)
		vport.Text(c, &s.Key)
		vport.Bool(c, &s.Keyboard)
		vport.Text(c, &s.Send)
		vport.Text(c, &s.Until)
		vport.List(c, &s.Look, vport.Text[string])
	})
	vport.Bool(c, &m.Ready)
	vport.Bool(c, &m.Done)
	vport.List(c, &m.Outputs, func(c *vport.Codec, o *Output) {
		vport.Bool(c, &o.Done)
		vport.Text(c, &o.Text)
		vport.List(c, &o.Found, vport.Text[string])
	})
	vport.Text(c, &m.Error)
}

// mark starts every message, because the kernel and its debugger write to the
// same port.
const mark = "ldlab-debugger "

// line returns the message as it is sent. It begins with a line break, because
// the port may be in the middle of a line.
func (m message) line() ([]byte, error) {
	var body bytes.Buffer
	if err := vport.Write(&body, &m); err != nil {
		return nil, err
	}
	line := append(strconv.AppendQuoteToASCII([]byte("\n"+mark), body.String()), '\n')
	if len(line) > maxLine {
		return nil, fmt.Errorf("message of %d bytes exceeds %d", len(line), maxLine)
	}
	return line, nil
}

func send(w io.Writer, m message) error {
	line, err := m.line()
	if err == nil {
		_, err = w.Write(line)
	}
	if err != nil {
		return fmt.Errorf("send to debugger: %w", err)
	}
	return nil
}

// receive returns the next message and skips what comes before it. line is what
// was already read of the current line. An error of r is returned unchanged.
func receive(line []byte, r io.ByteReader) (message, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return message{}, err
		}
		if b != '\n' {
			if len(line) == maxLine {
				line = line[:0] // too long for a message
			}
			line = append(line, b)
			continue
		}
		if _, body, found := bytes.Cut(line, []byte(mark)); found {
			return parse(body)
		}
		line = line[:0]
	}
}

// parse decodes a quoted message.
func parse(body []byte) (m message, err error) {
	text, err := strconv.Unquote(string(bytes.TrimSpace(body))) // a terminal ends lines with CR LF
	if err == nil {
		err = vport.Read(bytes.NewBufferString(text), &m)
	}
	if err != nil {
		return m, fmt.Errorf("decode debugger's message: %w", err)
	}
	return m, nil
}

// Prepare sends a script to the host, over the guest's end of the serial port,
// and returns when the host waits for the kernel to stop. An error means that the
// kernel must not be stopped. Prepare blocks as long as port does.
func Prepare(port io.ReadWriter, script []Step) error {
	if err := send(port, message{Script: script}); err != nil {
		return err
	}
	m, err := receive(nil, bufio.NewReader(port)) // the host sends one message, so the reader keeps nothing back
	switch {
	case err != nil:
		return fmt.Errorf("wait for debugger: %w", err)
	case m.Error != "":
		return fmt.Errorf("prepare debugger: %s", m.Error)
	case !m.Ready:
		return errors.New("prepare debugger: unexpected message")
	}
	return nil
}

// Fetch fetches the outputs from the host, one for each step, when the kernel
// runs again. If the script failed, Fetch returns an error and the outputs until
// then. Fetch blocks as long as port does.
func Fetch(port io.ReadWriter) ([]Output, error) {
	if err := send(port, message{Done: true}); err != nil {
		return nil, err
	}
	m, err := receive(nil, bufio.NewReader(port))
	switch {
	case err != nil:
		return nil, fmt.Errorf("wait for debugger: %w", err)
	case m.Error != "":
		return m.Outputs, fmt.Errorf("play script: %s", m.Error)
	}
	return m.Outputs, nil
}
