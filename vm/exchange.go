package vm

import (
	"context"
	"io"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// Exchange is Connect without SSH, for programs: it waits until the guest
// program is ready, hands it the entropy and the time that make this machine
// its own, and calls f, which speaks with it on the bare port. The port is a
// socket pair that only this process and QEMU have, so that SSH would protect
// nothing; under emulation its handshake takes longer than a fork.
//
// It may be called once. An error of f is returned as it is, or is ctx's cause if
// ctx ended f; Wait then finds out how the machine ended. There is no other
// deadline for f than ctx's. An error before f is called is as Connect's.
func (m *Machine) Exchange(ctx context.Context, f func(io.ReadWriter) error) error {
	if err := m.AwaitReady(ctx); err != nil {
		return err
	}
	err := m.talk(ctx, "the guest program", time.Now().Add(m.limits.login), func() error {
		return vport.Write(m.port, newPreamble())
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.bare, m.login = true, time.Now()
	m.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { m.port.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := f(m.port); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx) // not that the port was closed for it
		}
		return err
	}
	return nil
}
