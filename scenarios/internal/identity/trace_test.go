package identity

import (
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tracedBy is who traces the calling thread; "0": nobody.
func tracedBy(t *testing.T) string {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "TracerPid:\t")
	who, _, _ := strings.Cut(rest, "\n")
	return who
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
		ran := false
		act := func() {
			ran = true
			who := tracedBy(t)
			if first == "" {
				first = who
			}
			if who == "0" || who != first {
				t.Errorf("round %d: traced by %s, and at first by %s", n, who, first)
			}
			if n%10 == 0 { // a signal to each thread
				if err := all("getppid", unix.SYS_GETPPID, 0, 0, 0); err != nil {
					t.Log(err)
				}
			}
		}
		in := func() {
			if err := Traced(act); err == syscall.EPERM {
				t.Skip("this process may not trace")
			} else if err != nil {
				t.Fatal(err)
			}
			if who := tracedBy(t); who != "0" {
				t.Errorf("round %d: afterwards traced by %s", n, who)
			}
		}
		if n%2 == 0 {
			in()
		} else {
			InThread(in)
		}
		if !ran {
			t.Fatalf("round %d: the act did not run", n)
		}
	}
}

// TestTracedThreadEnds: the tracer serves the next thread after one that ended while
// it was traced.
func TestTracedThreadEnds(t *testing.T) {
	if err := StartTracer(); err != nil {
		t.Fatal(err)
	}
	var attached atomic.Bool
	done := make(chan struct{})
	var attach func()
	attach = func() {
		runtime.LockOSThread() // and is never unlocked, so the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			go attach() // the first thread would not end
			select {}
		}
		attached.Store(theTracer.attach(int32(unix.Gettid())) == nil)
		close(done)
	}
	go attach()
	<-done
	if !attached.Load() {
		t.Skip("this process may not trace")
	}
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
