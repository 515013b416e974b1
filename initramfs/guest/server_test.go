//go:build !lean

package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
)

// keyPair makes a key like those of a run.
func keyPair(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// connect returns the two ends of a socket. The guest's end is a port, as in a
// real guest: raw calls that block.
func connect(t *testing.T) (host net.Conn, guest *port) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "host")
	defer f.Close()
	host, err = net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	return host, &port{fd: fds[1]}
}

type dialed struct {
	client *ssh.Client
	off    chan struct{} // closed when the guest powers off
}

// A quietMachine is this machine without its log.
type quietMachine struct{ *realMachine }

func (quietMachine) Read() ([]klog.Record, bool, error) { return nil, false, nil }

// dial starts a guest's server and logs in.
func dial(t *testing.T) dialed {
	t.Helper()
	host, guestEnd := connect(t)
	hostKey, hostPEM := keyPair(t)
	clientKey, _ := keyPair(t)
	off := make(chan struct{})
	g := &guest{started: time.Now(), children: reaper, dir: t.TempDir(), clock: kernelClock{}, off: func() { close(off) }}
	g.machine = quietMachine{&realMachine{klog.New(), g}}
	s, err := newServer(g, vport.Preamble{HostKey: hostPEM, ClientKey: ssh.MarshalAuthorizedKey(clientKey.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.serve(t.Context(), portConn{guestEnd}) }()
	conn, channels, requests, err := ssh.NewClientConn(host, "guest", clientConfig(hostKey, clientKey))
	if err != nil {
		t.Fatal(err)
	}
	client := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() { client.Close() })
	return dialed{client, off}
}

func clientConfig(host, client ssh.Signer) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(client)},
		HostKeyCallback: ssh.FixedHostKey(host.PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	}
}

func TestServerTakesOneKeyOnly(t *testing.T) {
	host, guestEnd := connect(t)
	hostKey, hostPEM := keyPair(t)
	clientKey, _ := keyPair(t)
	untrusted, _ := keyPair(t)
	s, err := newServer(&guest{}, vport.Preamble{HostKey: hostPEM, ClientKey: ssh.MarshalAuthorizedKey(clientKey.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.serve(t.Context(), portConn{guestEnd}) }()
	if _, _, _, err := ssh.NewClientConn(host, "guest", clientConfig(hostKey, untrusted)); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("an untrusted key: %v", err)
	}
	host.Close()
	guestEnd.Close() // a port never reads as ended, because the host may open it again
	if err := <-served; err == nil || !strings.HasPrefix(err.Error(), "shake hands: ") {
		t.Errorf("server ended with %v", err)
	}
}

func TestServerRefusesBadKeys(t *testing.T) {
	_, good := keyPair(t)
	for name, p := range map[string]vport.Preamble{
		"parse host key":   {HostKey: []byte("no key")},
		"parse client key": {HostKey: good, ClientKey: []byte("no key")},
	} {
		if _, err := newServer(&guest{}, p); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCellOverSSH(t *testing.T) {
	d := dial(t)
	for _, tt := range []struct{ probe, want string }{{"", ""}, {"no/such", `guest: unknown probe "no/such"`}} {
		s, err := d.client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		in, _ := s.StdinPipe()
		out, _ := s.StdoutPipe()
		if err := s.Start(vport.CommandCell); err != nil {
			t.Fatal(err)
		}
		req := guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream}
		if tt.probe != "" {
			req.Probes = []string{tt.probe}
		}
		if err := vport.Write(in, &req); err != nil {
			t.Fatal(err)
		}
		states := 0
		err = guestproto.ReadFrames(out, func(f guestproto.Frame) error { states++; return nil })
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("probe %q: %v, want %q", tt.probe, err, tt.want)
		}
		if err == nil && states != 3 {
			t.Errorf("%d states, want 3", states)
		}
		if err := s.Wait(); err != nil {
			t.Errorf("cell ended with %v", err)
		}
	}
}

func TestOff(t *testing.T) {
	d := dial(t)
	s, err := d.client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(vport.CommandOff); err != nil {
		t.Errorf("off: %v", err)
	}
	<-d.off // or the test times out
}

func TestCommands(t *testing.T) {
	d := dial(t)
	for _, tt := range []struct {
		command, in, out, errs string
		status                 int
		signal                 string
	}{
		{command: "/bin/echo two words", out: "two words\n"},
		{command: "/bin/false", status: 1},
		{command: "/bin/cat", in: "to the end of file", out: "to the end of file"},
		{command: "/no/such", status: 127, errs: "start /no/such: no such file or directory\n"},
		{command: "", status: 127, errs: "run shell: this image has none (no /bbin/gosh)\n"},
		{command: "/bin/sh", in: "echo out; echo err >&2; exit 3", out: "out\n", errs: "err\n", status: 3},
		{command: "/bin/sh", in: "kill -SEGV $$", signal: "SEGV"},
		{command: "/bin/sh", in: "sleep 60 & echo left", out: "left\n"}, // a process that holds the pipes does not keep the session open
	} {
		s, err := d.client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		s.Stdin, s.Stdout, s.Stderr = strings.NewReader(tt.in), &out, &errs
		err = s.Run(tt.command)
		status, signal := 0, ""
		var exit *ssh.ExitError
		if errors.As(err, &exit) {
			status, signal = exit.ExitStatus(), exit.Signal()
			if signal != "" {
				status = 0
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.command, err)
		}
		if out.String() != tt.out || errs.String() != tt.errs || status != tt.status || signal != tt.signal {
			t.Errorf("%q < %q: out %q, errs %q, status %d, signal %q", tt.command, tt.in, &out, &errs, status, signal)
		}
	}
}

// startScript starts a shell that reads the script, and returns the first line
// that it prints.
func startScript(t *testing.T, script string) (s *ssh.Session, printed string) {
	t.Helper()
	s, err := dial(t).client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start("/bin/sh"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, script); err != nil {
		t.Fatal(err)
	}
	printed, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return s, strings.TrimSpace(printed)
}

func TestSignalReachesTheCommand(t *testing.T) {
	s, _ := startScript(t, "echo up; read forever\n")
	if err := s.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.Signal() != "TERM" {
		t.Errorf("ended with %v", err)
	}
}

func TestTerminal(t *testing.T) {
	s, err := dial(t).client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("vt100", 33, 77, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start("/bin/sh"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "stty -echo; stty size; echo $TERM; tty; read x; stty size; exit 5\n"); err != nil {
		t.Fatal(err)
	}
	got := ""
	buf := make([]byte, 4096)
	for !strings.Contains(got, "/dev/pts/") {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got += string(buf[:n])
	}
	if err := s.WindowChange(44, 88); err != nil {
		t.Fatal(err)
	}
	// The request has no reply. Requests are handled in order, so when the next
	// one is rejected the terminal has its size.
	if err := s.Setenv("LATER", "1"); err == nil {
		t.Error("the environment is changed under a running command")
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	got += string(rest)
	for _, want := range []string{"33 77\r\n", "vt100\r\n", "44 88\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("terminal shows %q, without %q", got, want)
		}
	}
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 5 {
		t.Errorf("shell ended with %v", err)
	}
}

func TestClosedSessionKillsItsCommand(t *testing.T) {
	s, printed := startScript(t, "echo $$; trap '' HUP; while :; do sleep 60; done\n")
	_, fd := number(t, printed)
	s.Close()
	awaitEnd(t, fd) // or the test times out
}

// TestClosedSessionStartsNothing: a client may close a session between the
// request for a command and its start. Nothing starts then, and a terminal that
// no command has used is closed.
func TestClosedSessionStartsNothing(t *testing.T) {
	before := openFiles(t)
	s := newSession(&guest{children: reaper}, nil)
	if ok := s.openTerminal(ptyRequest{Columns: 80, Rows: 25}); !ok {
		t.Fatal("there is no terminal")
	}
	s.close()
	p, err := s.start([]string{"/bin/true"}, &syscall.ProcAttr{Env: os.Environ()})
	if err == nil {
		reaper.wait(p, forGood)
		t.Error("a command was started in a session that is closed")
	}
	if left := leftOpen(t, before); len(left) != 0 {
		t.Errorf("left open: %q", left)
	}
}

// TestOrphansDoNotWait: a guest with a shell reaps an orphan although nothing
// waits for it.
func TestOrphansDoNotWait(t *testing.T) {
	subreaper(t)
	go reaper.reapAll()
	c, printed := startShell(t, leaveOrphan, false)
	if !reaper.wait(c, forGood) {
		t.Fatal("the child did not end")
	}
	orphan, _ := number(t, printed)
	gone := make(chan struct{})
	reaper.mu.Lock()
	reaper.reaped = func(pid int) {
		if pid == orphan {
			close(gone)
		}
	}
	reaper.mu.Unlock()
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-gone // or the test times out
	reaper.mu.Lock()
	reaper.reaped = nil
	reaper.mu.Unlock()
}
