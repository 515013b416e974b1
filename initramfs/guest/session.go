//go:build !lean

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// A session is one SSH session: one command, or one shell.
type session struct {
	g       *guest
	channel ssh.Channel
	env     []string
	pty     *pty
	started bool

	mu      sync.Mutex
	closed  bool     // the client has closed the session
	running *process // the command, which leads its process group; nil: none runs
}

func newSession(g *guest, channel ssh.Channel) *session {
	return &session{g: g, channel: channel, env: []string{
		"PATH=/bbin:/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "USER=root", "SHELL=" + shellPath,
	}}
}

// serve handles the session's requests (RFC 4254, section 6) until the client
// closes it. Then it kills the command and closes the terminal.
func (s *session) serve(ctx context.Context, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for r := range requests {
		ok, run := s.handle(ctx, r)
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if run != nil {
			go run() // after the reply: it may close the session at once
		}
	}
	s.close()
}

// close ends what the session has left. A command that has not started yet
// does not start any more.
func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal(syscall.SIGKILL)
	if s.pty != nil {
		s.pty.master.Close()
	}
}

// handle handles one request. run is not nil if the request starts the command.
func (s *session) handle(ctx context.Context, r *ssh.Request) (ok bool, run func()) {
	switch r.Type {
	case "shell":
		return s.first(func() { s.shell("") })
	case "exec":
		var v struct{ Command string }
		if ssh.Unmarshal(r.Payload, &v) != nil {
			return false, nil
		}
		return s.first(func() { s.exec(ctx, v.Command) })
	case "env":
		var v struct{ Name, Value string }
		if s.started || ssh.Unmarshal(r.Payload, &v) != nil || strings.ContainsAny(v.Name, "=\x00") || strings.Contains(v.Value, "\x00") {
			return false, nil
		}
		s.env = append(s.env, v.Name+"="+v.Value)
		return true, nil
	case "pty-req":
		var v ptyRequest
		return s.pty == nil && ssh.Unmarshal(r.Payload, &v) == nil && s.openTerminal(v), nil
	case "window-change":
		var v windowChange
		return s.pty != nil && ssh.Unmarshal(r.Payload, &v) == nil && s.pty.resize(v) == nil, nil
	case "signal":
		var v struct{ Name string }
		return ssh.Unmarshal(r.Payload, &v) == nil && s.signal(signalNumber(v.Name)), nil
	}
	return false, nil
}

// first starts the session's command; a session has at most one.
func (s *session) first(run func()) (bool, func()) {
	if s.started {
		return false, nil
	}
	s.started = true
	return true, run
}

func (s *session) openTerminal(v ptyRequest) bool {
	p, err := openPTY(windowChange{v.Columns, v.Rows, v.Width, v.Height})
	if err != nil {
		fmt.Fprintf(s.channel.Stderr(), "%v\r\n", err)
		return false
	}
	s.pty, s.env = p, append(s.env, "TERM="+v.Term)
	return true
}

func (s *session) exec(ctx context.Context, command string) {
	switch command {
	case vport.CommandCell:
		r := newCellRun(s.g, s.channel)
		if err := r.answer(ctx, s.channel); err != nil {
			s.exit(1 << 8)
			return
		}
		s.exit(0)
	case vport.CommandOff:
		s.exit(0) // a write to the port returns when the host has it
		s.g.off()
	default:
		s.shell(command)
	}
}

// signal sends a signal to the running command's process group.
func (s *session) signal(sig syscall.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sig != 0 && s.running != nil && s.g.children.signal(s.running, sig)
}

// exit reports to the client how the command ended and closes the session.
func (s *session) exit(status syscall.WaitStatus) {
	if status.Signaled() {
		_, _ = s.channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Lang       string
		}{Signal: signalName(status.Signal())}))
	} else {
		_, _ = s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status.ExitStatus())}))
	}
	s.channel.Close()
}
