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

// serveSSH speaks SSH on the port until the host hangs up.
func (g *guest) serveSSH(p vport.Preamble, port *port) error {
	// The one that reads the port blocks in the kernel with its P until the
	// runtime takes that away, up to 10 ms later. Another P serves the rest at
	// once: on one CPU this saves 10 to 20 % of the handshake.
	runtime.GOMAXPROCS(4)
	g.bootErrors = append(g.bootErrors, mountAll(forShell...)...)
	go g.children.reapAll()
	server, err := newServer(g, p)
	if err != nil {
		return err
	}
	return server.serve(portConn{port})
}

// reapAll reaps whoever ends, for as long as the machine runs: what a shell
// leaves behind does not wait for the shell.
func (c *children) reapAll() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		c.mu.Lock()
		c.reap()
		c.mu.Unlock()
	}
}

// A portConn is a port as a net.Conn, which SSH asks for. Deadlines are the
// host's business.
type portConn struct{ *port }

type portAddr struct{}

func (portAddr) Network() string { return "virtio" }
func (portAddr) String() string  { return "virtio-port" }

func (portConn) LocalAddr() net.Addr              { return portAddr{} }
func (portConn) RemoteAddr() net.Addr             { return portAddr{} }
func (portConn) SetDeadline(time.Time) error      { return nil }
func (portConn) SetReadDeadline(time.Time) error  { return nil }
func (portConn) SetWriteDeadline(time.Time) error { return nil }

// A server speaks SSH with the one host that has the key.
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
	// One of each, the cheapest to emulate; there is no other client to
	// agree with.
	config.KeyExchanges = []string{ssh.KeyExchangeCurve25519}
	config.Ciphers = []string{ssh.CipherChaCha20Poly1305}
	config.AddHostKey(signer)
	return &server{g, config}, nil
}

// serve speaks with one client until it hangs up.
func (s *server) serve(conn net.Conn) error {
	c, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go ssh.DiscardRequests(requests) // answers keep-alives, too
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
