package main

import (
	"bytes"
	"context"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/ldlab/ldlab/internal/vport"
)

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
