//go:build !lean

package debugger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"time"
)

// Serve runs the scripts that come in on port, the host's end of a guest's serial
// port, one after the other, and closes port when it returns. It returns nil when
// the guest hangs up, and the error of ctx when that ends. press presses a key
// with SysRq (Step.Key), on the console's line or on the keyboard (Step.Keyboard);
// nil: it cannot be pressed.
//
// A script may take up to limit, and then the guest up to limit again to report
// that its kernel runs. If it does not, the kernel is stopped for good: Serve
// returns an error, and the caller should end the machine.
func Serve(ctx context.Context, port net.Conn, limit time.Duration, press func(ctx context.Context, key string, keyboard bool) error) error {
	defer port.Close()
	defer context.AfterFunc(ctx, func() { port.Close() })()
	in := bufio.NewReader(port)
	for {
		err := serveOne(ctx, port, in, limit, press)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
			return nil // the machine is gone
		case err != nil:
			return fmt.Errorf("serve debugger: %w", err)
		}
	}
}

// doneLine is what a guest sends when its kernel runs again. A step that still
// waits for an answer finds it in its output.
var doneLine, _ = message{Done: true}.line() // a message without outputs is short

// serveOne waits for a script, runs it, and sends the outputs.
func serveOne(ctx context.Context, port net.Conn, in *bufio.Reader, limit time.Duration, press func(ctx context.Context, key string, keyboard bool) error) error {
	port.SetDeadline(time.Time{})
	m, err := receive(nil, in)
	if err != nil {
		return err
	}
	port.SetDeadline(time.Now().Add(limit))
	steps, err := compile(m.Script)
	if err != nil {
		return send(port, message{Error: err.Error()})
	}
	if err := send(port, message{Ready: true}); err != nil {
		return err
	}
	pressing, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p := player{out: port, in: in, press: func(key string, keyboard bool) error {
		if press == nil {
			return errors.New("no key can be pressed")
		}
		return press(pressing, key, keyboard)
	}, outputs: make([]Output, len(steps)), known: map[string]string{}}
	reply := message{Outputs: p.outputs}
	if err := p.play(steps); err != nil {
		reply.Error = err.Error()
	}
	port.SetDeadline(time.Now().Add(limit))
	for !p.back {
		m, err := receive(p.line, in)
		p.line = nil
		if err != nil && reply.Error != "" {
			return fmt.Errorf("wait for the guest after %s: %w", reply.Error, err)
		}
		if err != nil {
			return fmt.Errorf("wait for the guest: %w", err)
		}
		p.back = m.Done
	}
	return send(port, reply)
}

// A player runs one script.
type player struct {
	out     io.Writer
	in      *bufio.Reader
	press   func(key string, keyboard bool) error
	outputs []Output
	known   map[string]string // last match of each named group
	total   int               // bytes of the outputs so far
	line    []byte            // begin of a line that was read with too long an output
	back    bool              // the guest has reported that its kernel runs again
}

// play runs the steps. An error ends the script: an output is not what the script
// expects, or too large.
func (p *player) play(steps []step) error {
	last := ""
	for i, s := range steps {
		if s.when != nil && !s.when.MatchString(last) {
			continue
		}
		out := &p.outputs[i]
		out.Done = true
		var err error
		if s.key != "" {
			err = p.press(s.key, s.keyboard)
		}
		if text := expand(s.send, p.known); err == nil && text != "" {
			_, err = io.WriteString(p.out, text)
		}
		if err == nil && s.until != nil {
			out.Text, err = p.wait(s)
		}
		out.Found = find(s.look, out.Text)
		if p.exceeds(out) && err == nil {
			err = fmt.Errorf("more than %d bytes in all outputs", maxTotal)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		last = out.Text
	}
	return nil
}

// exceeds adds an output to the total. If that gets too large, it empties the
// output and reports true.
func (p *player) exceeds(out *Output) bool {
	size := len(out.Text)
	for _, f := range out.Found {
		size += len(f)
	}
	if p.total += size; p.total <= maxTotal {
		return false
	}
	out.Text, out.Found = "", nil
	return true
}

// wait reads until the step's expression matches, and not further.
func (p *player) wait(s step) (string, error) {
	var got []byte
	for {
		_, err := p.in.Peek(1) // waits
		chunk, _ := p.in.Peek(min(p.in.Buffered(), maxOutput-len(got)))
		got = append(got, chunk...)
		if m := s.until.FindSubmatchIndex(got); m != nil {
			p.learn(s.until, got, m)
			p.in.Discard(max(0, len(chunk)-(len(got)-m[1])))
			return string(got[:m[1]]), nil
		}
		p.in.Discard(len(chunk))
		switch before, _, done := bytes.Cut(got, doneLine); {
		case done:
			p.back = true
			return string(before), errors.New("the kernel continues without an answer")
		case len(got) >= maxOutput:
			// The guest's message may have begun in it.
			p.line = bytes.Clone(got[bytes.LastIndexByte(got, '\n')+1:])
			return string(got), fmt.Errorf("more than %d bytes without a match", maxOutput)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return string(got), errors.New("no match in time")
		case err != nil:
			return string(got), err
		}
	}
}

// learn stores the matches of the named groups.
func (p *player) learn(until *regexp.Regexp, got []byte, m []int) {
	for i, name := range until.SubexpNames() {
		if name != "" && m[2*i] >= 0 {
			p.known[name] = string(got[m[2*i]:m[2*i+1]])
		}
	}
}
