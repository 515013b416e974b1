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

// Serve plays the scripts that come in on port, the host's end of a guest's
// serial port, one after the other, until the guest hangs up or ctx ends; then
// it closes port. limit is for a script to be played, and then again for the
// guest to come back. A guest that does not come back stands still for good:
// Serve says so and returns, and the caller should end it.
func Serve(ctx context.Context, port net.Conn, limit time.Duration) error {
	defer port.Close()
	defer context.AfterFunc(ctx, func() { port.Close() })()
	in := bufio.NewReader(port)
	for {
		err := serveOne(port, in, limit)
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

// doneLine is found in the midst of a step's output, too.
var doneLine = message{Done: true}.line()

func serveOne(port net.Conn, in *bufio.Reader, limit time.Duration) error {
	port.SetDeadline(time.Time{})
	m, err := receive(in)
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
	p := player{out: port, in: in, outputs: make([]Output, len(steps)), known: map[string]string{}}
	reply := message{Outputs: p.outputs}
	if err := p.play(steps); err != nil {
		reply.Error = err.Error()
	}
	port.SetDeadline(time.Now().Add(limit))
	for !p.back {
		m, err := receive(in)
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

// A player plays one script.
type player struct {
	out     io.Writer
	in      *bufio.Reader
	outputs []Output
	known   map[string]string // groups' last matches
	back    bool              // the guest says that its kernel runs again
}

// play does the steps. An error ends the script: whoever wrote it did not
// expect what came.
func (p *player) play(steps []step) error {
	last := ""
	for i, s := range steps {
		if s.when != nil && !s.when.MatchString(last) {
			continue
		}
		out := &p.outputs[i]
		out.Done = true
		var err error
		if text := expand(s.send, p.known); text != "" {
			_, err = io.WriteString(p.out, text)
		}
		if err == nil && s.until != nil {
			out.Text, err = p.wait(s)
		}
		out.Found = find(s.look, out.Text)
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		last = out.Text
	}
	return nil
}

// wait reads until the step's expression matches, and not further.
func (p *player) wait(s step) (string, error) {
	var got []byte
	for {
		_, err := p.in.Peek(1) // waits
		chunk, _ := p.in.Peek(p.in.Buffered())
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
			return string(before), errors.New("the kernel runs on without an answer")
		case len(got) >= maxOutput:
			return string(got[:maxOutput]), fmt.Errorf("more than %d bytes without a match", maxOutput)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return string(got), errors.New("no match in time")
		case err != nil:
			return string(got), err
		}
	}
}

// learn keeps what the named groups of a match matched.
func (p *player) learn(until *regexp.Regexp, got []byte, m []int) {
	for i, name := range until.SubexpNames() {
		if name != "" && m[2*i] >= 0 {
			p.known[name] = string(got[m[2*i]:m[2*i+1]])
		}
	}
}
