package identity

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/testutil"
)

// tracedBy is who traces the calling thread; "0": nobody.
func tracedBy() (string, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(text), "TracerPid:\t")
	who, _, end := strings.Cut(rest, "\n")
	if !ok || !end {
		return "", fmt.Errorf("no tracer in %q", text)
	}
	return who, nil
}

// mayTrace ends the test if err is that this process may not trace, or another one.
func mayTrace(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, syscall.EPERM) {
		testutil.Require(t, "ptrace", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefusedIsEPERM: what the tracer answers is found in the error that attach makes
// of it.
func TestRefusedIsEPERM(t *testing.T) {
	var to, from [2]int
	for _, p := range []*[2]int{&to, &from} {
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[0])
		defer unix.Close(p[1])
	}
	if _, err := unix.Write(from[1], []byte{byte(syscall.EPERM)}); err != nil {
		t.Fatal(err)
	}
	if err := (&tracer{requests: to[1], answers: from[0]}).attach(1); !errors.Is(err, syscall.EPERM) {
		t.Errorf("%v is not EPERM", err)
	}
}

// TestTraced: the act's thread is traced meanwhile, by the same process each time,
// and afterwards by none. Signals still arrive.
func TestTraced(t *testing.T) {
	if err := StartTracer(); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	first := ""
	for n := range 200 {
		var err error
		if in := func() { err = traceOnce(n, &first) }; n%2 == 0 {
			in()
		} else {
			InThread(in)
		}
		if err != nil {
			err = fmt.Errorf("round %d: %w", n, err)
		}
		mayTrace(t, err)
	}
}

// traceOnce runs an act that is traced by the first tracer, or else by any, whose
// number it keeps.
func traceOnce(n int, first *string) (err error) {
	ran := false
	failed := Traced(func() {
		ran = true
		var who string
		if who, err = tracedBy(); err != nil {
			return
		}
		if *first == "" {
			*first = who
		}
		if who == "0" || who != *first {
			err = fmt.Errorf("traced by %s, and at first by %s", who, *first)
			return
		}
		if n%10 == 0 { // a signal to each thread
			if err = all("getppid", unix.SYS_GETPPID, 0, 0, 0); errors.Is(err, syscall.ENOTSUP) {
				err = nil // a program with cgo, such as this test, cannot
			}
		}
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case !ran:
		return errors.New("the act did not run")
	}
	who, err := tracedBy()
	if err == nil && who != "0" {
		err = fmt.Errorf("afterwards traced by %s", who)
	}
	return err
}

// TestTracedThreadEnds: the tracer serves the next thread after one that ended while
// it was traced.
func TestTracedThreadEnds(t *testing.T) {
	if err := StartTracer(); err != nil {
		t.Fatal(err)
	}
	attached := make(chan error, 1)
	var attach func()
	attach = func() {
		runtime.LockOSThread() // and is never unlocked, so the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			go attach() // the first thread would not end
			select {}
		}
		attached <- theTracer.attach(int32(unix.Gettid()))
	}
	go attach()
	mayTrace(t, <-attached)
	ended := make(chan error, 1)
	go func() { ended <- Traced(func() {}) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the tracer waits for a thread that is gone")
	}
	if err := theTracer.attach(1 << 30); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("attached to no thread: %v", err)
	}
}

// BenchmarkTraced is what tracing adds to an act.
func BenchmarkTraced(b *testing.B) {
	if err := StartTracer(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Traced(func() {}); err != nil {
			b.Skip(err)
		}
	}
}
