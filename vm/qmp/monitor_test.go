package qmp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/ldlab/ldlab/internal/testutil"
	"golang.org/x/sys/unix"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}` + "\n"

func TestMain(m *testing.M) {
	os.Exit(testutil.Main(m, testutil.NoGoroutines(), testutil.NoDescriptors("socket:")))
}

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
func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
	}
	return ends[0], ends[1]
}

// withQEMU runs play as QEMU and returns the monitor that talks to it.
func withQEMU(t *testing.T, ctx context.Context, event func(Event), play func(*fakeQEMU)) (m *Monitor, end func(), err error) {
	t.Helper()
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
	m, err = New(ctx, lab, dir, event)
	end = sync.OnceFunc(func() {
		if m != nil {
			m.Close()
		}
		qemu.Close()
		<-played
		dir.Close()
	})
	t.Cleanup(end)
	return m, end, err
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _, err := withQEMU(t, t.Context(), nil, func(f *fakeQEMU) {
				greet(f)
				for f.command() == "query-status" {
					f.say(tt.reply)
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

// TestMonitorEnds: whatever QEMU fails to do, the context ends it, and nothing is
// left open.
func TestMonitorEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(f *fakeQEMU, stuck func())
		dial string // the error of New
		run  string // the error of Run
	}{
		{"no greeting", func(f *fakeQEMU, stuck func()) { stuck(); f.command() }, "connect to monitor: context canceled", ""},
		{"half a greeting", func(f *fakeQEMU, stuck func()) { f.say(greeting[:20]); stuck(); f.command() }, "connect to monitor: context canceled", ""},
		{"another greeting", func(f *fakeQEMU, stuck func()) { f.say("SSH-2.0\n"); f.command() }, `connect to monitor: no greeting: "SSH-2.0"`, ""},
		{"no negotiation", func(f *fakeQEMU, stuck func()) { f.say(greeting); f.command(); stuck(); f.command() }, "connect to monitor: context canceled", ""},
		{"negotiation refused", func(f *fakeQEMU, stuck func()) {
			f.say(greeting)
			f.command()
			f.say(`{"error": {"class": "GenericError", "desc": "no"}}` + "\n")
		}, "connect to monitor: negotiate capabilities: no", ""},
		{"closed at once", func(f *fakeQEMU, stuck func()) { f.Close() }, "connect to monitor: EOF", ""},
		{"no reply", func(f *fakeQEMU, stuck func()) { greet(f); f.command(); stuck(); f.command() }, "", "run stop: context canceled"},
		{"half a reply", func(f *fakeQEMU, stuck func()) { greet(f); f.command(); f.say(`{"ret`); stuck(); f.command() }, "", "run stop: context canceled"},
		{"half a reply and gone", func(f *fakeQEMU, stuck func()) { greet(f); f.command(); f.say(`{"ret`); f.Close() }, "", "run stop: monitor closed"},
		{"gone", func(f *fakeQEMU, stuck func()) { greet(f); f.command(); f.Close() }, "", "run stop: monitor closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := testutil.NoDescriptors("")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m, end, err := withQEMU(t, ctx, nil, func(f *fakeQEMU) { tt.play(f, cancel) })
			if fmt.Sprint(err) != tt.dial && (err != nil || tt.dial != "") {
				t.Fatalf("connect: %v, want %q", err, tt.dial)
			}
			if err == nil {
				if err := m.Run(ctx, "stop", nil, nil); fmt.Sprint(err) != tt.run {
					t.Errorf("run: %v, want %q", err, tt.run)
				}
				if err := m.Run(t.Context(), "cont", nil, nil); err == nil {
					t.Error("a lost monitor still runs commands")
				}
			}
			end()
			if open := left(); len(open) > 0 {
				t.Errorf("left open: %v", open)
			}
		})
	}
}

// TestMonitorEvents: a flood of events neither blocks replies nor is lost.
func TestMonitorEvents(t *testing.T) {
	const flood = 20000
	var events atomic.Int64
	var last atomic.Value
	m, _, err := withQEMU(t, t.Context(), func(e Event) {
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

// TestMonitorBusy: whoever waits for another's command waits no longer than its
// own context.
func TestMonitorBusy(t *testing.T) {
	busy := make(chan struct{})
	m, _, err := withQEMU(t, t.Context(), nil, func(f *fakeQEMU) {
		greet(f)
		f.command()
		close(busy)
		f.command()
	})
	if err != nil {
		t.Fatal(err)
	}
	first, cancelFirst := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- m.Run(first, "stop", nil, nil) }()
	<-busy
	second, cancel := context.WithCancel(t.Context())
	go cancel()
	if err := m.Run(second, "cont", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("second: %v", err)
	}
	cancelFirst()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
}

// TestLongCommand: a command arrives whole at a QEMU that reads it slowly from a
// small buffer.
func TestLongCommand(t *testing.T) {
	lab, qemu := socketPair(t)
	from, client := socketPair(t)
	if err := lab.SetWriteBuffer(1); err != nil { // the kernel's minimum: about 4 KiB
		t.Fatal(err)
	}
	go func() {
		forward(lab, from)
		lab.CloseWrite()
	}()
	command := bytes.Repeat([]byte("command "), 32<<10)
	go func() {
		client.Write(command)
		client.CloseWrite()
	}()
	got := make([]byte, len(command))
	read := make(chan error)
	go func() {
		_, err := io.ReadFull(iotest.OneByteReader(bufio.NewReaderSize(qemu, 16)), got)
		read <- err
	}()
	if err := errors.Join(<-read, lab.Close(), qemu.Close(), from.Close(), client.Close()); err != nil || !bytes.Equal(got, command) {
		t.Errorf("of %d bytes something else arrived, %v", len(command), err)
	}
}

func TestReadLine(t *testing.T) {
	const text = "one\r\ntwo\n\nthree is too long for it\nfour\nfi"
	want := []string{"one", "two", "", "line of 25 bytes", "four", "unexpected EOF"}
	for name, in := range map[string]io.Reader{
		"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)), "in halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		r := bufio.NewReaderSize(in, 16)
		for _, want := range want {
			line, err := readLine(r)
			got := string(line)
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
