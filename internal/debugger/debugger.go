// Package debugger has a guest use the debugger that is built into its kernel.
// Whoever stops a kernel that way cannot type at it: the other end of the
// guest's serial port has to. So a program in the guest hands the host a
// script, stops the kernel, and gets back what the kernel answered when it runs
// again. What the script says is the guest's business; the host knows neither
// kdb nor gdb.
//
// Both ends bound what they read in size and time. The order is
//
//	guest: a script       host: ready, or what is wrong with it
//	       (the kernel stops, answers the script, and runs on)
//	guest: done           host: the outputs
package debugger

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// Bounds of a script and of its outputs, in steps and in bytes.
const (
	maxSteps  = 32
	maxWord   = 256       // of each field of a step
	maxLook   = 8         // expressions that a step looks for
	maxOutput = 8 << 10   // of each step
	maxLine   = 512 << 10 // of a message: outputs with everything in them escaped
)

// A Step is one thing said to the kernel, and what is waited for then.
type Step struct {
	// When is a regular expression: where the output of the last step that
	// was done does not match, this one is left out. "": it never is.
	When string

	// Send is what is written. ${name} stands for what the group of that name
	// matched last, in any Until; nothing, where none did.
	Send string

	// Until is a regular expression: what is read, up to and including the
	// first match, is the step's output. "": there is none, and no waiting.
	Until string

	// Look are regular expressions to be looked for in the step's output.
	Look []string
}

// An Output is what became of a step.
type Output struct {
	Done bool // it was not left out
	Text string

	// Found says what each of the step's Look matched: the first group that
	// has a name, or all of it where none has; "" where it did not match. Only
	// the host has regular expressions: the guest program is started once for
	// every probe, and would have to be with them.
	Found []string
}

// Shows reports whether the step's Look number i matched.
func (o Output) Shows(i int) bool { return i < len(o.Found) && o.Found[i] != "" }

// A message is a line after the mark: quoted as in Go, in ASCII.
type message struct {
	Script  []Step
	Ready   bool
	Done    bool
	Outputs []Output
	Error   string
}

// Fields is a vport.Message's.
func (m *message) Fields(c *vport.Codec) {
	vport.List(c, &m.Script, func(c *vport.Codec, s *Step) {
		vport.Text(c, &s.When)
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

// mark is what every message starts with: the kernel and its debugger write to
// the same line.
const mark = "ldlab-debugger "

func (m message) line() []byte {
	var body bytes.Buffer
	if err := vport.Write(&body, &m); err != nil {
		panic(err) // the bounds leave no room for one that is too long
	}
	// A message is a line of its own, whatever stands before it.
	return append(strconv.AppendQuoteToASCII([]byte("\n"+mark), body.String()), '\n')
}

func send(w io.Writer, m message) error {
	if _, err := w.Write(m.line()); err != nil {
		return fmt.Errorf("send to debugger: %w", err)
	}
	return nil
}

// receive reads the next message, and drops what comes before it.
func receive(r io.ByteReader) (message, error) {
	var line []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return message{}, err
		}
		if b != '\n' {
			if len(line) == maxLine {
				line = line[:0] // no message
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

// parse reads a message that was quoted.
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

// Prepare hands a script to the host, over the guest's end of the serial port,
// and returns when the host is ready for the kernel to stop.
func Prepare(port io.ReadWriter, script []Step) error {
	if err := send(port, message{Script: script}); err != nil {
		return err
	}
	m, err := receive(bufio.NewReader(port)) // the host says no more than one message
	switch {
	case err != nil:
		return fmt.Errorf("wait for debugger: %w", err)
	case m.Error != "":
		return fmt.Errorf("prepare debugger: %s", m.Error)
	case !m.Ready:
		return fmt.Errorf("prepare debugger: it answers something else")
	}
	return nil
}

// Fetch gets the outputs from the host, an entry a step, once the kernel runs
// again. An error of the script comes with what there is.
func Fetch(port io.ReadWriter) ([]Output, error) {
	if err := send(port, message{Done: true}); err != nil {
		return nil, err
	}
	m, err := receive(bufio.NewReader(port))
	switch {
	case err != nil:
		return nil, fmt.Errorf("wait for debugger: %w", err)
	case m.Error != "":
		return m.Outputs, fmt.Errorf("play script: %s", m.Error)
	}
	return m.Outputs, nil
}
