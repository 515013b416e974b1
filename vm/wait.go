package vm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// Wait waits for the end of the machine and returns how it ended. If ctx ends
// first it returns how the machine stands: Hung after a deadline, Stopped if ctx
// was canceled.
func (m *Machine) Wait(ctx context.Context) End {
	select {
	case <-m.ended:
	case <-ctx.Done():
		select {
		case <-m.ended: // both: the guest's own end is the better answer
		default:
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return m.end(Stopped, "no longer waited for: "+ctx.Err().Error())
			}
		}
	}
	return m.end(m.evidence(ctx).judge())
}

// PowerOff tells the guest program to power off and waits until the machine
// has ended; the deadline is its own, within ctx. It needs Connect or Exchange.
func (m *Machine) PowerOff(ctx context.Context) End {
	ctx, cancel := context.WithTimeout(ctx, m.limits.powerOff)
	defer cancel()
	m.mu.Lock()
	m.seen.off = true
	client, bare := m.client, m.bare
	m.mu.Unlock()
	// Errors here are of no use: a guest that is off can't answer. How the
	// machine ends is the answer.
	if bare {
		// A guest that does not read must not keep the lab beyond ctx.
		deadline, _ := ctx.Deadline()
		m.port.SetWriteDeadline(deadline)
		stop := context.AfterFunc(ctx, func() { m.port.SetWriteDeadline(time.Unix(1, 0)) })
		vport.Write(m.port, &vport.Off{})
		stop()
	}
	if client != nil {
		stop := context.AfterFunc(ctx, func() { client.Close() })
		defer stop()
		if s, err := client.NewSession(); err == nil {
			s.Run(vport.CommandOff)
		}
	}
	return m.Wait(ctx)
}

func (m *Machine) end(cause Cause, detail string) End {
	return End{cause, detail, m.console.lines(tailLines)}
}

// evidence collects what is known now. ctx may be over; asking QEMU has a
// deadline of its own.
func (m *Machine) evidence(ctx context.Context) evidence {
	m.mu.Lock()
	e := m.seen
	m.mu.Unlock()
	e.bytes, e.silent, e.panicAt = m.console.seen()
	if m.proc != nil {
		e.state = m.proc.State()
	}
	if e.state != nil {
		e.stderr = m.stderr.lines(3)
	} else {
		e.status = m.status(ctx)
	}
	return e
}

// status is the state of the guest that QEMU reports.
func (m *Machine) status(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limits.quit)
	defer cancel()
	var out struct{ Status string }
	if m.mon == nil {
		return "nothing yet"
	}
	if err := m.mon.Run(ctx, "query-status", nil, &out); err != nil {
		return fmt.Sprintf("nothing (%v)", err)
	}
	return fmt.Sprintf("%q", out.Status)
}

// Close ends QEMU if it runs: first by its monitor, then by SIGTERM, then by
// SIGKILL: sooner when ctx ends, and at once if ctx has ended already. It
// then waits for everything that belonged to the machine, and removes its
// directory.
// Calling it again does nothing, and returns the same.
func (m *Machine) Close(ctx context.Context) error {
	m.once.Do(func() { m.closed = m.close(ctx) })
	return m.closed
}

func (m *Machine) close(ctx context.Context) error {
	var errs []error
	if m.proc != nil {
		errs = append(errs, m.stop(ctx))
	}
	if m.mon != nil {
		m.mon.Close()
	}
	m.sockets.close()
	m.mu.Lock()
	client, keep, disown := m.client, m.keep, m.disown
	m.mu.Unlock()
	if disown != nil {
		disown()
	}
	if client != nil {
		client.Wait() // ends with the port
	}
	for _, l := range []*log{m.console, m.stderr} {
		if l != nil {
			errs = append(errs, l.close())
		}
	}
	errs = append(errs, m.dir.close(keep))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close machine: %w", err)
	}
	return nil
}

// stop ends QEMU.
func (m *Machine) stop(ctx context.Context) error {
	select {
	case <-m.ended:
		return nil
	default:
	}
	m.stopping()
	if m.mon != nil {
		quit, cancel := context.WithTimeout(ctx, m.limits.quit)
		defer cancel()
		// The reply may be lost in the exit: the exit is the answer.
		m.mon.Run(quit, "quit", nil, nil)
		select {
		case <-m.ended:
			return nil
		case <-quit.Done():
		}
	}
	m.proc.Stop() // SIGTERM, and SIGKILL after limits.quit
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
	case <-time.After(m.limits.quit + m.limits.settle):
	}
	m.proc.Kill()
	select {
	case <-m.ended:
		return nil
	case <-time.After(m.limits.settle):
		return fmt.Errorf("kill QEMU: process %d does not die", m.proc.Pid())
	}
}
