package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// The tests of this file boot real machines.

func start(t *testing.T, c Config) *Machine {
	t.Helper()
	m, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkClose(t, m) })
	return m
}

// checkClose closes a machine and looks for what it left behind.
func checkClose(t *testing.T, m *Machine) {
	t.Helper()
	if t.Failed() {
		t.Logf("%s\n%s", m.CommandLine(), strings.Join(m.ConsoleTail(20), "\n"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), pace.Host().Limit(10*time.Second))
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := m.Close(ctx); err != nil {
		t.Error("second close:", err)
	}
	if left, _ := os.ReadDir(m.config.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if vmtest.GroupAlive(t, m.Pid()) {
		t.Error("QEMU still runs")
	}
}

func connect(t *testing.T, m *Machine) *ssh.Client {
	t.Helper()
	client, err := m.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// command starts a command in the guest and gives it up when the test ends.
func command(t *testing.T, client *ssh.Client, name string) *ssh.Session {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if name == "hello" {
		return s
	}
	if err := s.Start(name); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServe(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		m := start(t, guestConfig(t, a, "serve"))
		client := connect(t, m)
		out, err := command(t, client, "hello").Output("hello")
		if err != nil || string(out) != "hello from 1\n" {
			t.Errorf("hello: %q, %v", out, err)
		}
		p := m.Phases()
		if p.Ready <= 0 || p.Login <= p.Ready {
			t.Errorf("phases %+v", p)
		}
		t.Logf("%+v", p)
		if end := m.PowerOff(t.Context()); end.Cause != PoweredOff {
			t.Errorf("end: %v", end)
		}
		if end := m.Wait(t.Context()); end.Cause != PoweredOff {
			t.Errorf("the end once more: %v", end)
		}
	})
}

// TestEnds: guests that end after they have logged the lab in.
func TestEnds(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		for _, tt := range []struct {
			command string
			want    Cause
			detail  string
		}{
			{"panic", Panicked, "sysrq triggered crash"},
			{"reboot", Reset, ""},
			{"hang", Hung, `QEMU reports "running"`},
		} {
			t.Run(tt.command, func(t *testing.T) {
				c, hangs := guestConfig(t, a, "serve"), vmtest.NewMark(vmtest.Hangs)
				c.Console = hangs
				m := start(t, c)
				command(t, connect(t, m), tt.command)
				limit := pace.Host().Limit(vmtest.Scaled(a, 20*time.Second))
				if tt.want == Hung {
					hangs.Await(t, a)
					limit = hungAfter
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				if end := m.Wait(ctx); end.Cause != tt.want || !strings.Contains(end.Detail, tt.detail) {
					t.Errorf("end: %v", end)
				}
			})
		}
	})
}

// hungAfter is how long the tests wait for a guest of which they know that it
// hangs. It may be short on any host.
const hungAfter = 500 * time.Millisecond

// TestBadGuests: guests that never let the lab log in. Those that hang report it
// on the console.
func TestBadGuests(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		for _, tt := range []struct {
			mode   string
			want   Cause
			detail string // of the error
			mark   string // of a hang, on the console
		}{
			{mode: "poweroff", want: PoweredOff},
			{mode: "reboot", want: Reset},
			{mode: "panic", want: Panicked, detail: "sysrq triggered crash"},
			{mode: "exit", want: Panicked, detail: "Attempted to kill init"},
			{mode: "silent", want: Hung, detail: `QEMU reports "running"`, mark: vmtest.Hangs},
			{mode: "half", want: Hung, detail: `read "ldlab" and no more`, mark: vmtest.Hangs},
			{mode: "garbage", want: Garbled, detail: `read "garbage`},
			{mode: "badssh", want: Garbled, detail: "wait for the guest's SSH server"},
			{mode: "mute", want: Hung, detail: "wait for the guest's SSH server", mark: vmtest.Hangs},
			{mode: "flood", want: Hung, detail: "bytes came to the console", mark: "floodflood"},
		} {
			t.Run(tt.mode, func(t *testing.T) {
				c := guestConfig(t, a, tt.mode)
				mark, ctx := vmtest.NewMark(tt.mark), t.Context()
				c.Console = mark
				m := start(t, c)
				if tt.want == Hung {
					mark.Await(t, a)
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, hungAfter)
					defer cancel()
				}
				_, err := m.Connect(ctx)
				var guest *GuestError
				if !errors.As(err, &guest) {
					t.Fatalf("connect: %v", err)
				}
				if guest.End.Cause != tt.want || !strings.Contains(err.Error(), tt.detail) {
					t.Errorf("connect: %v; want %s, %q", err, tt.want, tt.detail)
				}
				if info, err := os.Stat(m.ConsolePath()); err != nil || info.Size() > maxLog+100 {
					t.Errorf("console file: %v, %v", info, err)
				}
				t.Log(err)
			})
		}
	})
}

// TestGivenUp: the lab or someone else ends a machine that boots.
func TestGivenUp(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		t.Run("close", func(t *testing.T) {
			start(t, guestConfig(t, a, "serve"))
		})
		t.Run("cancel", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, hangs := guestConfig(t, a, "silent"), vmtest.NewMark(vmtest.Hangs)
			c.Console = hangs
			m, err := Start(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			connected := make(chan error, 1)
			go func() {
				_, err := m.Connect(ctx)
				connected <- err
			}()
			hangs.Await(t, a)
			cancel()
			if err := <-connected; !errors.Is(err, context.Canceled) {
				t.Errorf("connect: %v", err)
			}
			if end := m.Wait(t.Context()); end.Cause != Stopped {
				t.Errorf("end: %v", end)
			}
			checkClose(t, m)
		})
		t.Run("kill", func(t *testing.T) {
			m := start(t, guestConfig(t, a, "silent"))
			unix.Kill(m.Pid(), unix.SIGKILL)
			_, err := m.Connect(t.Context())
			var guest *GuestError
			if !errors.As(err, &guest) || guest.End.Cause != QEMUKilled {
				t.Errorf("connect: %v", err)
			}
		})
		t.Run("keep", func(t *testing.T) {
			m, err := Start(t.Context(), guestConfig(t, a, "silent"))
			if err != nil {
				t.Fatal(err)
			}
			m.Keep()
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			for _, name := range []string{consoleFile, stderrFile, commandFile} {
				if _, err := os.Stat(filepath.Join(filepath.Dir(m.ConsolePath()), name)); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// TestByHand pastes the command line into a shell.
func TestByHand(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "poweroff")
		c.LogLevel = 8
		m := start(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), pace.Host().Limit(vmtest.Scaled(a, 20*time.Second)))
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+m.CommandLine())
		cmd.Dir = "/"
		cmd.WaitDelay = pace.Host().Limit(time.Second)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Linux version") {
			t.Errorf("%s: %v\n%s", m.CommandLine(), err, out)
		}
	})
}

func BenchmarkBoot(b *testing.B) {
	for _, a := range arch.All() {
		b.Run(a.Name, func(b *testing.B) {
			c := guestConfig(b, a, "serve")
			var sum Phases
			for b.Loop() {
				m, err := Start(b.Context(), c)
				if err != nil {
					b.Fatal(err)
				}
				_, err = m.Connect(b.Context())
				if err := errors.Join(err, m.Close(b.Context())); err != nil {
					b.Fatal(err)
				}
				sum.Ready += m.Phases().Ready
				sum.Login += m.Phases().Login
			}
			b.ReportMetric(sum.Ready.Seconds()/float64(b.N), "s-to-ready")
			b.ReportMetric(sum.Login.Seconds()/float64(b.N), "s-to-login")
		})
	}
}

func TestSelfTest(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	for _, a := range arch.All() {
		c := guestConfig(t, a, "serve")
		first, err := SelfTest(t.Context(), c, cache)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", a.Name, first)
		second, err := SelfTest(t.Context(), c, cache)
		if err != nil || first != second {
			t.Errorf("%s: %v, then %v, %v", a.Name, first, second, err)
		}
		if !a.Native() && first.Accel != TCG {
			t.Errorf("%s: %v on another host", a.Name, first)
		}
	}
}
