package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}` + "\n"

// A fakeQEMU plays QEMU's end of a monitor.
type fakeQEMU struct {
	net.Conn
	lines *bufio.Scanner
}

// command reads one command's name; "" at the end.
func (f *fakeQEMU) command() string {
	var c struct{ Execute string }
	if !f.lines.Scan() {
		// go-qemu ends no line: a scanner returns the rest only at the end.
		return ""
	}
	json.Unmarshal(f.lines.Bytes(), &c)
	return c.Execute
}

func (f *fakeQEMU) say(s string) { f.Write([]byte(s)) }

// splitJSON makes a scanner return one JSON value after another.
func splitJSON(data []byte, _ bool) (int, []byte, error) {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	var v json.RawMessage
	if dec.Decode(&v) != nil {
		return 0, nil, nil // ask for more
	}
	return int(dec.InputOffset()), v, nil
}

// socketPair makes a connection with two ends.
func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		ends[i], err = net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

// withQEMU runs play as QEMU and returns the monitor that talks to it.
func withQEMU(t *testing.T, ctx context.Context, event func(Event), play func(*fakeQEMU)) (*Monitor, error) {
	t.Helper()
	before := runtime.NumGoroutine()
	lab, qemu := socketPair(t)
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	played := make(chan struct{})
	go func() {
		defer close(played)
		lines := bufio.NewScanner(qemu)
		lines.Split(splitJSON)
		play(&fakeQEMU{qemu, lines})
	}()
	if event == nil {
		event = func(Event) {}
	}
	m, err := New(ctx, lab, dir, event)
	t.Cleanup(func() {
		if m != nil {
			m.Close()
		}
		qemu.Close()
		<-played
		dir.Close()
		// Everything is joined: nothing may linger but what is just ending.
		for range 100 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
	})
	return m, err
}

func greet(f *fakeQEMU) {
	f.say(greeting)
	if c := f.command(); c == "qmp_capabilities" {
		f.say(`{"return": {}}` + "\n")
	}
}

func TestMonitorRun(t *testing.T) {
	big := strings.Repeat("x", 60000)
	for _, tt := range []struct {
		name, reply string
		want        string // of the status
		err         string
	}{
		{name: "reply", reply: `{"return": {"status": "running"}}` + "\r\n", want: "running"},
		{name: "large", reply: `{"return": {"status": "` + big + `"}}` + "\n", want: big},
		{name: "refusal", reply: `{"error": {"class": "GenericError", "desc": "no"}}` + "\n", err: "run query-status: no"},
		{name: "oversized", reply: `{"return": "` + strings.Repeat("y", 1<<20) + `"}` + "\n", err: "reply of 1048591 bytes exceeds 65535"},
		{name: "wrong type", reply: `{"return": {"status": 1}}` + "\n", err: "cannot unmarshal number"},
		{name: "event first", reply: `{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}` + "\n" + `{"return": {"status": "paused"}}` + "\n", want: "paused"},
		{name: "in two parts", reply: `{"return": {"sta|tus": "running"}}` + "\n", want: "running"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := withQEMU(t, t.Context(), nil, func(f *fakeQEMU) {
				greet(f)
				for f.command() == "query-status" {
					head, rest, _ := strings.Cut(tt.reply, "|")
					f.say(head)
					time.Sleep(5 * time.Millisecond)
					f.say(rest)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			runs := 2 // no reply spoils the next one
			if len(tt.want) > 4096 {
				// go-qemu's next read reuses the buffer of this reply. It
				// comes after it, by way of QEMU, but the race detector
				// takes note of a read's bytes before its order.
				runs = 1
			}
			for range runs {
				var out struct{ Status string }
				err := m.Run(t.Context(), "query-status", nil, &out)
				if out.Status != tt.want {
					t.Errorf("status %.40q, want %.40q", out.Status, tt.want)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			}
		})
	}
}

func TestMonitorDeadline(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(*fakeQEMU)
		dial string // the error of New
		run  string // the error of run
	}{
		{"no greeting", func(f *fakeQEMU) { f.command() }, "connect to monitor: context deadline exceeded", ""},
		{"half a greeting", func(f *fakeQEMU) { f.say(greeting[:20]); f.command() }, "connect to monitor: context deadline exceeded", ""},
		{"closed at once", func(f *fakeQEMU) { f.Close() }, "connect to monitor: EOF", ""},
		{"no reply", func(f *fakeQEMU) { greet(f); f.command(); f.command() }, "", "run stop: context deadline exceeded"},
		{"half a reply", func(f *fakeQEMU) { greet(f); f.command(); f.say(`{"ret`); f.command() }, "", "run stop: context deadline exceeded"},
		{"half a reply and gone", func(f *fakeQEMU) { greet(f); f.command(); f.say(`{"ret`); f.Close() }, "", "run stop: monitor closed"},
		{"gone", func(f *fakeQEMU) { greet(f); f.command(); f.Close() }, "", "run stop: monitor closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			dial := t.Context()
			if tt.dial != "" {
				dial = short
			}
			m, err := withQEMU(t, dial, nil, tt.play)
			if fmt.Sprint(err) != tt.dial && (err != nil || tt.dial != "") {
				t.Fatalf("connect: %v, want %q", err, tt.dial)
			}
			if err != nil {
				return
			}
			short, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := m.Run(short, "stop", nil, nil); fmt.Sprint(err) != tt.run {
				t.Errorf("run: %v, want %q", err, tt.run)
			}
			if err := m.Run(t.Context(), "cont", nil, nil); err == nil {
				t.Error("a lost monitor still runs commands")
			}
		})
	}
}

// TestMonitorEvents: a flood of events neither blocks replies nor is lost.
func TestMonitorEvents(t *testing.T) {
	const flood = 20000
	var events atomic.Int64
	var last atomic.Value
	m, err := withQEMU(t, t.Context(), func(e Event) {
		events.Add(1)
		last.Store(e.Name)
	}, func(f *fakeQEMU) {
		greet(f)
		f.command()
		f.say(strings.Repeat(`{"event": "RTC_CHANGE", "data": {"offset": 1}}`+"\n", flood))
		f.say(`{"return": {}}` + "\n" + `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}` + "\n")
		f.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(t.Context(), "cont", nil, nil); err != nil {
		t.Error(err)
	}
	m.relay.done.Wait()
	if n := events.Load(); n != flood+1 || last.Load() != "SHUTDOWN" {
		t.Errorf("%d events, the last %v", n, last.Load())
	}
}

// TestMonitorBusy: who waits for another's command does not wait for ever.
func TestMonitorBusy(t *testing.T) {
	m, err := withQEMU(t, t.Context(), nil, func(f *fakeQEMU) {
		greet(f)
		f.command()
		f.command()
	})
	if err != nil {
		t.Fatal(err)
	}
	first, cancelFirst := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- m.Run(first, "stop", nil, nil) }()
	for len(m.busy) == 0 {
		time.Sleep(time.Millisecond)
	}
	second, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := m.Run(second, "cont", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second: %v", err)
	}
	cancelFirst()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
}
