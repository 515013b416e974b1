//go:build !lean

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// shellPath is u-root's shell. Images without u-root's commands do not have it.
const shellPath = "/bbin/gosh"

// shellArgv returns the command line for a command, or for an interactive shell
// if the command is empty. Without u-root's shell a command is executed
// directly, split at white space.
func shellArgv(command string, haveShell bool) ([]string, error) {
	switch {
	case haveShell && command == "":
		return []string{shellPath}, nil
	case haveShell:
		return []string{shellPath, "-c", command}, nil
	case strings.TrimSpace(command) == "":
		return nil, fmt.Errorf("run shell: this image has none (no %s)", shellPath)
	}
	return strings.Fields(command), nil
}

// shell runs a command, on a terminal if the client has requested one.
func (s *session) shell(command string) {
	_, err := os.Stat(shellPath)
	argv, err := shellArgv(command, err == nil)
	if err == nil {
		if s.pty != nil {
			err = s.runTerminal(argv)
		} else {
			err = s.runPipes(argv)
		}
	}
	if err != nil {
		fmt.Fprintf(s.channel.Stderr(), "%v\n", err)
		s.exit(127 << 8)
	}
}

// run starts argv with the files as its descriptors and closes them here. It
// waits until the command has ended and its output is copied. A process that the
// command has left behind may hold the output open, so run then calls expire
// with the time at which copying stops.
func (s *session) run(argv []string, files []*os.File, sys *syscall.SysProcAttr, copies *sync.WaitGroup, expire func(time.Time)) error {
	var fds []uintptr
	for _, f := range files {
		fds = append(fds, f.Fd())
	}
	p, err := s.start(argv, &syscall.ProcAttr{Dir: "/", Env: s.env, Files: fds, Sys: sys})
	for _, f := range files {
		f.Close()
	}
	if err != nil {
		return err
	}
	s.g.children.wait(p, forGood)
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	expire(time.Now().Add(s.g.currentLimits().output))
	copies.Wait()
	s.exit(p.status)
	return nil
}

// start starts the command, unless the client has closed the session meanwhile.
func (s *session) start(argv []string, attr *syscall.ProcAttr) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("start %s: the session is closed", argv[0])
	}
	p, err := s.g.children.start(argv[0], argv, attr, false)
	if err == nil {
		s.running = p
	}
	return p, err
}

// runTerminal runs argv as the leader of a session on the terminal.
func (s *session) runTerminal(argv []string) error {
	master := s.pty.master
	defer master.Close()
	tty, err := s.pty.openSlave()
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(master, s.channel) }() // ends with the channel
	var out sync.WaitGroup
	out.Go(func() { _, _ = io.Copy(s.channel, master) })
	return s.run(argv, []*os.File{tty, tty, tty}, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
		&out, func(t time.Time) { _ = master.SetReadDeadline(t) })
}

// runPipes runs argv as the leader of a process group, without a terminal.
func (s *session) runPipes(argv []string) error {
	var in, out, errs [2]*os.File // read, write
	for _, p := range []*[2]*os.File{&in, &out, &errs} {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("connect command: %w", err)
		}
		defer r.Close()
		defer w.Close()
		p[0], p[1] = r, w
	}
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(s.channel, out[0]) })
	copies.Go(func() { _, _ = io.Copy(s.channel.Stderr(), errs[0]) })
	go func() {
		_, _ = io.Copy(in[1], s.channel)
		in[1].Close() // passes the client's end of file on
	}()
	return s.run(argv, []*os.File{in[0], out[1], errs[1]}, &syscall.SysProcAttr{Setpgid: true},
		&copies, func(t time.Time) {
			_ = out[0].SetReadDeadline(t)
			_ = errs[0].SetReadDeadline(t)
		})
}
