package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(helperEnv); what != "" {
		os.Exit(helper(what))
	}
	os.Exit(m.Run())
}

// A lifeline is a pipe whose writing end processes inherit: reading it ends
// when the last of them has ended.
type lifeline struct {
	r *bufio.Reader
	f *os.File
	w *os.File
}

func newLifeline(t *testing.T) *lifeline {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &lifeline{bufio.NewReader(r), r, w}
}

// ready waits until a process has written "ready" into the lifeline.
func (l *lifeline) ready(t *testing.T) {
	t.Helper()
	l.w.Close()
	l.f.SetReadDeadline(time.Now().Add(time.Minute))
	if got, err := l.r.ReadString('\n'); got != "ready\n" {
		t.Fatalf("read %q, %v", got, err)
	}
}

// over fails the test if a process still holds the lifeline a minute later.
func (l *lifeline) over(t *testing.T) {
	t.Helper()
	l.f.SetReadDeadline(time.Now().Add(time.Minute))
	if rest, err := io.ReadAll(l.r); err != nil {
		t.Errorf("a process is left: %q, %v", rest, err)
	}
}

// start starts a shell that writes "ready" to descriptor 3.
func start(t *testing.T, ctx context.Context, script string, set func(*Command)) (*Process, *lifeline) {
	t.Helper()
	l := newLifeline(t)
	c := Command{Argv: []string{"sh", "-c", script}, Files: []*os.File{l.w}}
	if set != nil {
		set(&c)
	}
	p, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	l.ready(t)
	return p, l
}

func TestGroupEndsWithContext(t *testing.T) {
	cause := errors.New("the user pressed Ctrl-C")
	for name, tt := range map[string]struct {
		script, state string
		delay         time.Duration
		killed        bool
	}{
		"SIGTERM":                    {"sleep 1000 & echo ready >&3; wait", "signal: terminated", time.Hour, false},
		"SIGKILL if SIGTERM fails":   {"trap '' TERM; sleep 1000 & echo ready >&3; sleep 1000; sleep 1000", "signal: killed", time.Millisecond, true},
		"exit status 0 is no excuse": {"trap 'exit 0' TERM; sleep 1000 & echo ready >&3; wait", "exit status 0", time.Hour, false},
	} {
		for _, family := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, family %v", name, family), func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				var stopping int
				p, l := start(t, ctx, tt.script, func(c *Command) {
					c.WaitDelay, c.Family, c.Stopping = tt.delay, family, func() { stopping++ }
				})
				cancel(cause)
				err := p.Wait()
				var e *Error
				if !errors.Is(err, cause) || !errors.As(err, &e) || e.Killed() != tt.killed || err.Error() != "sh: the user pressed Ctrl-C" {
					t.Errorf("error %v", err)
				}
				if got := p.State().String(); got != tt.state || stopping != 1 {
					t.Errorf("state %q, want %q; Stopping was called %d times", got, tt.state, stopping)
				}
				l.over(t)
			})
		}
	}
}

func TestGroupEndsWithLeader(t *testing.T) {
	for _, family := range []bool{false, true} {
		p, l := start(t, t.Context(), "sleep 1000 & echo ready >&3; exit 3", func(c *Command) { c.Family = family })
		var exit *exec.ExitError
		if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("error %v", err)
		}
		l.over(t)
	}
}

// TestReapedGroupIsNotSignaled: the number of a group whose leader was reaped
// may be another group's.
func TestReapedGroupIsNotSignaled(t *testing.T) {
	var mu sync.Mutex
	var late []unix.Signal
	reaped := false
	sendSignal = func(pid int, sig unix.Signal) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", -pid)); reaped || err != nil {
			late = append(late, sig)
		}
		return unix.Kill(pid, sig)
	}
	defer func() { sendSignal = unix.Kill }()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, Command{Argv: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	reaped = true
	mu.Unlock()
	p.Kill()
	p.Stop()
	cancel()
	mu.Lock()
	defer mu.Unlock()
	if len(late) > 0 {
		t.Errorf("sent %v to a group that was reaped", late)
	}
}

func TestOutput(t *testing.T) {
	out, err := Output(t.Context(), Command{Argv: []string{"sh", "-c", "echo out; echo err >&2; echo $LC_ALL; pwd"}, Dir: "/"})
	if err != nil || string(out) != "out\nC\n/\n" {
		t.Errorf("%q, %v", out, err)
	}
	defer func(old int) { maxOutput = old }(maxOutput)
	maxOutput = 1 << 20
	if _, err := Output(t.Context(), Command{Argv: []string{"sh", "-c", "cat /dev/zero"}}); err == nil || err.Error() != "sh: it wrote more than 1048576 bytes" {
		t.Errorf("endless output: %v", err)
	}
	out, err = Output(t.Context(), Command{Path: "/bin/sh", Argv: []string{"-name-", "-c", "echo $0"}, Env: []string{}})
	if err != nil || string(out) != "-name-\n" {
		t.Errorf("argv[0]: %q, %v", out, err)
	}
}

func TestErrors(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		argv []string
		dir  string
		want string
		is   error
	}{
		"no name":      {argv: nil, want: "run program: it has no name"},
		"no program":   {argv: []string{"ldlab-no-such-program"}, want: "ldlab-no-such-program: executable file not found in $PATH", is: exec.ErrNotFound},
		"no file":      {argv: []string{"/no/such/program"}, want: "program: no such file or directory", is: os.ErrNotExist},
		"no directory": {argv: []string{"true"}, dir: "/no/such", want: "true: no such file or directory", is: os.ErrNotExist},
		"status":       {argv: []string{"sh", "-c", "exit 4"}, want: "sh: exit status 4"},
		"last line":    {argv: []string{"sh", "-c", "echo first >&2; echo 'fatal: why' >&2; echo >&2; exit 4"}, want: "sh: exit status 4: fatal: why"},
		"full disk":    {argv: []string{"sh", "-c", "echo 'x: No space left on device' >&2; echo more >&2; exit 1"}, want: "sh: exit status 1: more", is: syscall.ENOSPC},
		"canceled":     {ctx: canceled, argv: []string{"true"}, want: "true: context canceled", is: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			err := Run(tt.ctx, Command{Argv: tt.argv, Dir: tt.dir})
			if err == nil || err.Error() != tt.want || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTailIsBounded(t *testing.T) {
	err := Run(t.Context(), Command{Argv: []string{"sh", "-c", "head -c 100000 /dev/zero >&2; head -c 1000 /dev/zero | tr '\\0' x >&2; exit 1"}})
	var e *Error
	if !errors.As(err, &e) || len(e.Stderr) != maxTail || !strings.HasSuffix(e.Stderr, strings.Repeat("x", 1000)) {
		t.Fatalf("got %d bytes", len(e.Stderr))
	}
	if len(err.Error()) > maxLine+100 {
		t.Errorf("message of %d bytes", len(err.Error()))
	}
	var tl tail
	var all []byte
	for n := range 300 {
		b := bytes.Repeat([]byte{byte(n)}, n)
		all = append(all, b...)
		tl.Write(b)
		if want := all[max(0, len(all)-maxTail):]; tl.String() != string(want) {
			t.Fatalf("after %d bytes the tail is wrong", len(all))
		}
	}
}

const helperEnv = "LDLAB_PROC_TEST_HELPER"

// helper is this test binary started again, to be killed: it runs a script
// that writes "ready" to descriptor 3.
func helper(what string) int {
	unix.CloseOnExec(3)
	var p *Process
	var err error
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(done)
		p, err = Start(context.Background(), Command{
			Argv: []string{"sh", "-c", what}, Files: []*os.File{os.NewFile(3, "lifeline")},
			Family: slices.Contains(os.Args, "family"), WaitDelay: time.Second,
		})
	}()
	<-done
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// One more thread that came later, so that the first has surely ended.
	exec.Command("true").Run()
	fmt.Println("threads have ended")
	<-p.Done()
	return 0
}

// TestKilled: if this process is killed, a program ends, and with Family also
// what it started.
func TestKilled(t *testing.T) {
	for name, tt := range map[string]struct{ arg, script string }{
		"one program":                        {"single", "echo ready >&3; exec sleep 1000"},
		"a family":                           {"family", "sh -c 'sleep 1000 & echo ready >&3; wait' & wait"},
		"a family that ignores SIGTERM":      {"family", "trap '' TERM; sh -c 'sleep 1000 & echo ready >&3; wait' & wait; sleep 1000"},
		"a family whose parent is gone soon": {"family", "sh -c \"trap '' TERM; sleep 1000 & echo ready >&3; wait\" & wait"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLifeline(t)
			cmd := exec.Command(os.Args[0], tt.arg)
			cmd.Env = append(os.Environ(), helperEnv+"="+tt.script)
			cmd.ExtraFiles = []*os.File{l.w}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			l.ready(t)
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("helper wrote %q: %v", line, err)
			}
			l.f.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := l.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the program ended by itself: %v", err)
			}
			cmd.Process.Kill()
			cmd.Wait()
			l.over(t)
		})
	}
}
