package debugger

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// limit is on the clock of a bubble, so no test waits for it.
const limit = time.Minute

// serve serves one end of a connection and returns the other one: the guest's.
func serve(t *testing.T) (guest net.Conn, served chan error) {
	t.Helper()
	host, guest := net.Pipe()
	served = make(chan error, 1)
	go func() { served <- Serve(t.Context(), host, limit, nil) }()
	t.Cleanup(func() { guest.Close() })
	return guest, served
}

// kernel plays a kernel that has stopped: it prompts, and echoes and answers
// commands until one is "go".
func kernel(t *testing.T, port net.Conn, answers map[string]string) (heard []string) {
	t.Helper()
	in := bufio.NewReader(port)
	say := func(text string) {
		for i := range len(text) { // as QEMU does
			if _, err := port.Write([]byte{text[i]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for say("\r\nEntering (current=0xabc) noise\r\nkdb> "); ; say("kdb> ") {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSpace(line)
		heard = append(heard, line)
		say(line + "\r\n")
		if line == "go" {
			return heard
		}
		say(answers[line])
	}
}

const prompt = `kdb> $`

func TestScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, served := serve(t)
		script := []Step{
			{Until: `(?s)current=(?P<task>0x[0-9a-f]+).*` + prompt},
			{Send: "md ${task}\n", Until: `(?s)(word (?P<value>\d+).*)?` + prompt},
			{When: "no such", Send: "never\n", Until: prompt},
			{When: "word", Send: "mm ${task} ${value} ${nothing}$?\n", Until: prompt, Look: []string{`mm (?P<where>\w+) (\d+)`, `\d+`, "absent"}},
			{When: prompt, Send: "go\n"},
		}
		for range 2 { // a port is served more than once
			io.WriteString(guest, "\xff\xfe noise \n ldlab-debug") // what is no message does not matter
			if err := Prepare(guest, script); err != nil {
				t.Fatal(err)
			}
			heard := kernel(t, guest, map[string]string{"md 0xabc": "word 42\r\n"})
			if got := strings.Join(heard, "; "); got != "md 0xabc; mm 0xabc 42 $?; go" {
				t.Errorf("the kernel heard %s", got)
			}
			outputs, err := Fetch(guest)
			if err != nil {
				t.Fatal(err)
			}
			want := []Output{
				{Done: true, Text: "\r\nEntering (current=0xabc) noise\r\nkdb> "}, {Done: true, Text: "md 0xabc\r\nword 42\r\nkdb> "}, {},
				{Done: true, Text: "mm 0xabc 42 $?\r\nkdb> ", Found: []string{"0xabc", "0", ""}}, {Done: true},
			}
			if !reflect.DeepEqual(outputs, want) {
				t.Errorf("outputs %+v, want %+v", outputs, want)
			}
		}
		guest.Close()
		if err := <-served; err != nil {
			t.Errorf("the guest hung up: %v", err)
		}
	})
}

// TestUnread: what comes after a match is the next step's.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, _ := serve(t)
		if err := Prepare(guest, []Step{{Until: `#..`}, {Until: `x`}}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(guest, "+$OK#9aaftexr")
		outputs, err := Fetch(guest)
		if err != nil || len(outputs) != 2 || outputs[0].Text != "+$OK#9a" || outputs[1].Text != "aftex" {
			t.Errorf("outputs %+v, %v", outputs, err)
		}
	})
}

func TestTrouble(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []Step
		prep   string // the error of Prepare
		play   string // what the kernel writes
		fetch  string // the error of Fetch
		text   string // the last output
	}{
		{name: "empty", prep: "0 steps"},
		{name: "long", script: make([]Step, MaxSteps+1), prep: "33 steps"},
		{name: "wide", script: []Step{{Send: strings.Repeat("x", maxWord+1)}}, prep: "step 1: send has more than"},
		{name: "expression", script: []Step{{}, {Until: "("}}, prep: "step 2: error parsing regexp"},
		{name: "key", script: []Step{{Key: "ab"}}, prep: "step 1: key has more than a byte"},
		{name: "nobody presses", script: []Step{{Key: "a"}}, fetch: "step 1: no key can be pressed"},
		{name: "looks", script: []Step{{Look: []string{"("}}}, prep: "step 1: error parsing regexp"},
		{name: "looks for nothing", script: []Step{{Look: []string{""}}}, prep: "step 1: looks for an empty expression"},
		{name: "looks for much", script: []Step{{Look: make([]string, maxLook+1)}}, prep: "step 1: looks for 9 expressions"},
		{name: "runs on", script: []Step{{Until: "never"}}, play: "noise", fetch: "continues without an answer", text: "noise"},
		{name: "flood", script: []Step{{Until: "never"}}, play: strings.Repeat("flood", maxOutput), fetch: "more than 8192 bytes", text: "flood"},
		{name: "the flood ends in the message", script: []Step{{Until: "never"}}, play: strings.Repeat("x", maxOutput-5), fetch: "more than 8192 bytes", text: "xxxxx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guest, _ := serve(t)
				err := Prepare(guest, tt.script)
				if tt.prep != "" {
					if err == nil || !strings.Contains(err.Error(), tt.prep) {
						t.Errorf("prepare: %v, want %q", err, tt.prep)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(guest, tt.play)
				outputs, err := Fetch(guest)
				if err == nil || !strings.Contains(err.Error(), tt.fetch) {
					t.Errorf("fetch: %v, want %q", err, tt.fetch)
				}
				if len(outputs) != len(tt.script) || !strings.HasPrefix(outputs[len(outputs)-1].Text, tt.text) {
					t.Errorf("outputs %+v", outputs)
				}
			})
		})
	}
}

// TestStandsStill: a kernel that never answers, and never continues.
func TestStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, served := serve(t)
		if err := Prepare(guest, []Step{{Until: "never"}}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		err := <-served
		if err == nil || !strings.Contains(err.Error(), "step 1: no match in time") {
			t.Errorf("serve: %v", err)
		}
		if took := time.Since(begin); took != 2*limit {
			t.Errorf("serve took %v, want %v for the script and for the guest each", took, limit)
		}
		if _, err := guest.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the port is open: %v", err)
		}
	})
}

// TestLate: the guest comes back after the limit of the script and before its own.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, _ := serve(t)
		if err := Prepare(guest, []Step{{Until: "never"}, {Send: "go\n"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(limit * 3 / 2) // of the bubble's clock
		outputs, err := Fetch(guest)
		if err == nil || !strings.Contains(err.Error(), "step 1: no match in time") || outputs[1].Done {
			t.Errorf("fetch: %+v, %v", outputs, err)
		}
	})
}

// TestKeys: a key is pressed when the step before it has its answer, and the first
// one that cannot be pressed ends the script.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, guest := net.Pipe()
		defer guest.Close()
		pressed := make(chan string, MaxSteps)
		go Serve(t.Context(), host, limit, func(_ context.Context, key string, keyboard bool) error {
			if keyboard {
				key = "keyboard " + key
			}
			pressed <- key
			if key == "z" {
				return errors.New("it sticks")
			}
			return nil
		})
		if err := Prepare(guest, []Step{{Key: "a", Until: `\.`}, {Key: "b", Keyboard: true, Until: `\.`}, {Key: "z", Send: "never"}, {Key: "c"}}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a", "keyboard b"} {
			if got := <-pressed; got != want {
				t.Errorf("the host presses %q, want %q", got, want)
			}
			synctest.Wait()
			if len(pressed) > 0 {
				t.Errorf("the host presses %q before the answer to %q", <-pressed, want)
			}
			io.WriteString(guest, ".")
		}
		outputs, err := Fetch(guest)
		if err == nil || !strings.Contains(err.Error(), "step 3: it sticks") || outputs[3].Done || <-pressed != "z" || len(pressed) > 0 {
			t.Errorf("outputs %+v, %v", outputs, err)
		}
	})
}

func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, guest := net.Pipe()
		defer guest.Close()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- Serve(ctx, host, limit, nil) }()
		synctest.Wait() // it waits for a script
		cancel()
		if err := <-served; !errors.Is(err, context.Canceled) {
			t.Errorf("serve: %v", err)
		}
	})
}

// TestOutputsAreBounded: a guest whose script outputs and finds the most that each
// step may gets an error, and the host survives.
func TestOutputsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, _ := serve(t)
		look := make([]string, maxLook)
		for i := range look {
			look[i] = "(?s).*"
		}
		script := make([]Step, MaxSteps)
		for i := range script {
			script[i] = Step{Until: "(?s)z$", Look: look}
		}
		if err := Prepare(guest, script); err != nil {
			t.Fatal(err)
		}
		go func() { // ends when the host stops reading outputs
			flood := []byte(strings.Repeat("\xff", maxOutput-1) + "z")
			for range script {
				if _, err := guest.Write(flood); err != nil {
					return
				}
			}
			_ = send(guest, message{Done: true})
		}()
		m, err := receive(nil, bufio.NewReader(guest))
		if err != nil || !strings.Contains(m.Error, "bytes in all outputs") {
			t.Errorf("receive: %v, %q", err, m.Error)
		}
	})
}
