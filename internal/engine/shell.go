package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// A Terminal is the input and output of a shell.
type Terminal struct {
	In     *os.File
	Out    io.Writer
	Err    io.Writer
	Resize <-chan os.Signal // receives when the terminal's size changes
}

// Shell boots the plan's last guest, locks its setting, and runs a command in
// it, or an interactive shell on the terminal if command is empty. It returns
// the command's exit status: 128 or more if a signal ended it. Options.Timeout
// limits the boot and the lock, as in Run, but not the command.
func Shell(ctx context.Context, p *plan.Plan, o Options, t Terminal, command string) (int, error) {
	st := newStage(p, o)
	defer st.Close()
	st.shell = true
	if err := st.prepare(ctx); err != nil {
		return 0, err
	}
	g := p.Guests[len(p.Guests)-1]
	k := st.of(g)
	m, err := vm.Start(ctx, st.config(k, g, part{profile: plain}))
	if err != nil {
		return 0, err
	}
	defer m.Close(context.WithoutCancel(ctx))
	client, err := st.lockShell(ctx, m, k, g)
	if err != nil {
		return 0, interrupted(ctx, err)
	}
	defer context.AfterFunc(ctx, func() { client.Close() })()
	status, err := session(client, t, command)
	if err != nil {
		return 0, interrupted(ctx, err)
	}
	m.PowerOff(ctx)
	return status, nil
}

// lockShell waits for the guest and locks its setting.
func (s *Stage) lockShell(ctx context.Context, m *vm.Machine, k *kernel, g matrix.Guest) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit(k))
	defer cancel()
	client, err := m.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("boot %s: %w", g.ID(), err)
	}
	var run matrix.MachineRun
	// No probes: the guest only locks the setting and reports its state.
	if err := lockBySSH(ctx, client, request(g, nil, k.scale(), false), &run); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("the guest went silent: %w", err)
		}
		return nil, fmt.Errorf("lock %s: %w", g.ID(), err)
	}
	return client, checkLocked(g.Setting, run)
}

// lockBySSH is exchange in an SSH session.
func lockBySSH(ctx context.Context, client *ssh.Client, req guestproto.Request, run *matrix.MachineRun) error {
	s, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	defer s.Close()
	// The deadline ends the reads below if the guest stops answering.
	defer context.AfterFunc(ctx, func() { client.Close() })()
	var port struct {
		io.Reader
		io.Writer
	}
	if port.Writer, err = s.StdinPipe(); err != nil {
		return err
	}
	if port.Reader, err = s.StdoutPipe(); err != nil {
		return err
	}
	if err := s.Start(vport.CommandCell); err != nil {
		return err
	}
	_, err = exchange(port, req, run)
	return err
}

// session runs one command, on a pseudo-terminal of the guest if the host's
// input is a terminal and no command is given.
func session(client *ssh.Client, t Terminal, command string) (int, error) {
	s, err := client.NewSession()
	if err != nil {
		return 0, fmt.Errorf("open session: %w", err)
	}
	defer s.Close()
	s.Stdin, s.Stdout, s.Stderr = t.In, t.Out, t.Err
	fd := int(t.In.Fd())
	if command == "" && term.IsTerminal(fd) {
		restore, err := rawTerminal(s, fd, t.Resize)
		if err != nil {
			return 0, err
		}
		defer restore()
	}
	if command == "" {
		err = s.Shell()
		if err == nil {
			err = s.Wait()
		}
	} else {
		err = s.Run(command)
	}
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return 128 + signals[ssh.Signal(exit.Signal())], nil
	case errors.As(err, &exit):
		return exit.ExitStatus(), nil
	}
	return 0, fmt.Errorf("run command: the guest ended before it did: %w", err)
}

// signals are the numbers of the signals in RFC 4254, section 6.10.
var signals = map[ssh.Signal]int{
	ssh.SIGHUP: 1, ssh.SIGINT: 2, ssh.SIGQUIT: 3, ssh.SIGILL: 4, ssh.SIGABRT: 6, ssh.SIGFPE: 8,
	ssh.SIGKILL: 9, ssh.SIGUSR1: 10, ssh.SIGSEGV: 11, ssh.SIGUSR2: 12, ssh.SIGPIPE: 13, ssh.SIGALRM: 14, ssh.SIGTERM: 15,
}

// rawTerminal requests a pseudo-terminal like the host's and passes every key
// to it.
func rawTerminal(s *ssh.Session, fd int, resize <-chan os.Signal) (restore func(), err error) {
	width, height, err := term.GetSize(fd)
	if err != nil {
		width, height = 80, 24
	}
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "vt100"
	}
	if err := s.RequestPty(kind, height, width, ssh.TerminalModes{}); err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-resize:
				if w, h, err := term.GetSize(fd); err == nil {
					s.WindowChange(h, w) // if the guest is gone, Wait reports it
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		term.Restore(fd, old)
	}, nil
}
