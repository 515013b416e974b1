package vm

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"golang.org/x/crypto/ssh"
)

// A GuestError is a guest that ended or hung before it was connected. End.Cause
// shows whether the guest or the host is at fault.
type GuestError struct {
	Stage string // what the lab was waiting for
	End   End
	Err   error // what was seen of it on the port
}

func (e *GuestError) Error() string {
	text := fmt.Sprintf("wait for %s: %s", e.Stage, e.End)
	if e.End.Cause == Hung {
		text += fmt.Sprintf(" (%v)", e.Err) // how far it got
	}
	return text
}

func (e *GuestError) Unwrap() error { return e.Err }

// Connect waits until the guest program is ready, hands it the keys, the
// entropy and the time that make this machine its own (a fork too, which up to
// then draws the same random numbers as every other), and logs in. It may be
// called once. If ctx is canceled the error is ctx's; if the guest or QEMU is the
// reason, it is a *GuestError.
func (m *Machine) Connect(ctx context.Context) (*ssh.Client, error) {
	if err := m.AwaitReady(ctx); err != nil {
		return nil, err
	}
	var client *ssh.Client
	err := m.talk(ctx, "the guest's SSH server", time.Now().Add(m.limits.login), func() (err error) {
		client, err = m.logIn()
		return err
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.client, m.login = client, time.Now()
	return client, nil
}

// AwaitReady waits for the guest program's first message, until
// Config.BootTimeout after the start of QEMU. Its errors are those of Connect.
// Only the guest program has the port, so there is no noise to skip. The time
// that the boot took raises Config.Pace if it was long.
func (m *Machine) AwaitReady(ctx context.Context) error {
	m.mu.Lock()
	ready := !m.ready.IsZero()
	m.mu.Unlock()
	if ready {
		return nil // its template took that word
	}
	err := m.talk(ctx, "the guest program", m.started.Add(m.limits.boot), func() error {
		got := make([]byte, len(vport.Ready))
		for n := 0; n < len(got); {
			k, err := m.port.Read(got[n:])
			n += k
			if string(got[:n]) != vport.Ready[:n] {
				return fmt.Errorf("read %q, want %q", got[:n], vport.Ready)
			}
			if err != nil {
				return fmt.Errorf("read %q and no more: %w", got[:n], err)
			}
		}
		return nil
	})
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ready = time.Now()
		if !m.config.devices().bootsKernel() {
			m.config.Pace.Observe(scaled(nominalBoot, m.config.NominalScale()), m.ready.Sub(m.started))
		}
	}
	return err
}

// talk calls f, which uses the port, and ends it by the deadline or with ctx. It
// then finds out why f failed.
func (m *Machine) talk(ctx context.Context, stage string, deadline time.Time, f func() error) error {
	m.port.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { m.port.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		m.port.SetDeadline(time.Time{})
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("wait for %s: %w", stage, ctx.Err())
	}
	return &GuestError{stage, m.blame(ctx, err), err}
}

// blame finds the cause of an error of the port.
func (m *Machine) blame(ctx context.Context, err error) End {
	switch {
	case isTimeout(err):
		return m.end(m.evidence(ctx).judge())
	case isHangUp(err):
		// QEMU is about to exit, and its last event counts.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limits.settle)
		defer cancel()
		return m.Wait(ctx)
	}
	return m.end(Garbled, err.Error())
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// logIn sends the preamble and logs in. Keys are fresh, and the host key is
// pinned, so that this can be no other guest than the one on this port.
func (m *Machine) logIn() (*ssh.Client, error) {
	host, hostPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	own, _, err := newKey()
	if err != nil {
		return nil, err
	}
	pre := newPreamble()
	pre.HostKey, pre.ClientKey = hostPEM, ssh.MarshalAuthorizedKey(own.PublicKey())
	if err := vport.Write(m.port, pre); err != nil {
		return nil, err
	}
	conn, channels, requests, err := ssh.NewClientConn(m.port, vport.Name, &ssh.ClientConfig{
		Config: ssh.Config{
			// The pipe is private: what is cheapest to emulate will do.
			KeyExchanges: []string{ssh.KeyExchangeCurve25519},
			Ciphers:      []string{ssh.CipherChaCha20Poly1305},
		},
		User:              "root",
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(own)},
		HostKeyCallback:   ssh.FixedHostKey(host.PublicKey()),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// newPreamble has everything but keys.
func newPreamble() *vport.Preamble {
	pre := &vport.Preamble{Version: vport.Version, Entropy: make([]byte, 32), UnixNano: time.Now().UnixNano()}
	rand.Read(pre.Entropy) // never fails
	return pre
}

// newKey makes an ed25519 key, for use here and in OpenSSH's format.
func newKey() (ssh.Signer, []byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make signer: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	return signer, pem.EncodeToMemory(block), nil
}
