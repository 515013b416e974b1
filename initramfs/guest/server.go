//go:build !lean

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// serveSSH serves SSH on the port until the host hangs up.
func (g *guest) serveSSH(ctx context.Context, p vport.Preamble, port *port) error {
	// The goroutine that reads the port blocks in a system call and keeps its P
	// for up to 10 ms, until sysmon retakes it. Other Ps run the rest at once: on
	// one CPU this saves 10 to 20 % of the handshake.
	runtime.GOMAXPROCS(4)
	g.bootErrors = append(g.bootErrors, mountAll(forShell...)...)
	go g.children.reapAll()
	server, err := newServer(g, p)
	if err != nil {
		return err
	}
	return server.serve(ctx, portConn{port})
}

// reapAll reaps every process that ends, for as long as the machine runs, so that
// the orphans of a shell are reaped while the shell runs.
func (c *children) reapAll() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for ; ; <-ended { // the first time for what ended before Notify
		c.mu.Lock()
		c.reap()
		c.mu.Unlock()
	}
}

// A portConn makes a port a net.Conn, which package ssh requires. It ignores
// deadlines; the host has its own.
type portConn struct{ *port }

type portAddr struct{}

func (portAddr) Network() string { return "virtio" }
func (portAddr) String() string  { return "virtio-port" }

func (portConn) LocalAddr() net.Addr              { return portAddr{} }
func (portConn) RemoteAddr() net.Addr             { return portAddr{} }
func (portConn) SetDeadline(time.Time) error      { return nil }
func (portConn) SetReadDeadline(time.Time) error  { return nil }
func (portConn) SetWriteDeadline(time.Time) error { return nil }

// A server serves SSH to the client that has the key.
type server struct {
	g      *guest
	config *ssh.ServerConfig
}

func newServer(g *guest, p vport.Preamble) (*server, error) {
	signer, err := ssh.ParsePrivateKey(p.HostKey)
	if err != nil {
		return nil, fmt.Errorf("parse host key: %w", err)
	}
	client, _, _, _, err := ssh.ParseAuthorizedKey(p.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("parse client key: %w", err)
	}
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-ldlab",
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), client.Marshal()) {
				return nil, fmt.Errorf("unknown key %s", ssh.FingerprintSHA256(key))
			}
			return nil, nil
		},
	}
	// One algorithm of each kind, the fastest in an emulated guest: the only
	// client is the lab's.
	config.KeyExchanges = []string{ssh.KeyExchangeCurve25519}
	config.Ciphers = []string{ssh.CipherChaCha20Poly1305}
	config.AddHostKey(signer)
	return &server{g, config}, nil
}

// serve serves one client until it hangs up.
func (s *server) serve(ctx context.Context, conn net.Conn) error {
	c, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go ssh.DiscardRequests(requests) // replies to keep-alives, too
	for ch := range channels {
		if ch.ChannelType() != "session" {
			_ = ch.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := ch.Accept()
		if err != nil {
			continue
		}
		go newSession(s.g, channel).serve(ctx, requests)
	}
	return c.Wait()
}
