package vm

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestPowerOffUnread: a guest that does not read, and whose buffer is full,
// keeps PowerOff neither beyond its context nor beyond its own deadline.
func TestPowerOffUnread(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(context.Context) (context.Context, context.CancelFunc)
		want Cause
		took time.Duration
	}{
		{"canceled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, Stopped, time.Second},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2*time.Second)
		}, Hung, 2 * time.Second},
		{"its own deadline", context.WithCancel, Hung, powerOffTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			console, _ := newTestLog(t)
			defer console.close()
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe() // without a buffer
				defer theirs.Close()
				defer ours.Close()
				m := &Machine{limits: newTimeouts(1, 1), port: ours, bare: true, console: console, ended: make(chan struct{})}
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				began := time.Now()
				if end := m.PowerOff(ctx); end.Cause != tt.want {
					t.Errorf("end: %v, want %s", end, tt.want)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}
