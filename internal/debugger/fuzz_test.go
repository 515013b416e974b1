package debugger

import (
	"bufio"
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
)

// FuzzReceive feeds the host a guest's port. A message that is received comes
// back as it was when it is sent after any noise.
func FuzzReceive(f *testing.F) {
	for _, m := range []message{
		{Done: true},
		{Script: []Step{{When: "a", Send: "b\n", Until: "c", Look: []string{"d"}}}},
		{Ready: true, Outputs: []Output{{Done: true, Text: "\xff\x00\"\n", Found: []string{"x", ""}}}, Error: "e"},
	} {
		line, err := m.line()
		if err != nil {
			f.Fatal(err)
		}
		f.Add("", line)
		f.Add("noise \r\nldlab-debugger", line)
	}
	f.Add("", []byte(mark+"\"\\x00\"\n"))
	f.Fuzz(func(t *testing.T, noise string, in []byte) {
		m, err := receive(nil, bytes.NewReader(in))
		if err != nil {
			return
		}
		line, err := m.line()
		if err != nil {
			return // it was received in a shorter quoting
		}
		if strings.Contains(noise, mark) {
			return // this noise has a message of its own
		}
		again, err := receive(nil, bytes.NewReader(append([]byte(noise), line...)))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("received %+v; sent again after %q: %+v, %v", m, noise, again, err)
		}
	})
}

// FuzzPlay has a hostile kernel answer any script. The outputs keep to their
// bounds, fit into a message, and are the kernel's output in its order.
func FuzzPlay(f *testing.F) {
	f.Add("", "md ${task}\n", `(?s)current=(?P<task>\w+).*kdb> $`, `kdb`, []byte("current=0x1\nkdb> more kdb> "))
	f.Add("kdb", "go\n", `x`, `(?P<a>x)|(?P<b>y)`, bytes.Repeat([]byte("noise"), 4<<10))
	f.Add("", "$q#00", `#..`, `.*`, []byte("+$OK#9a+$#00"))
	f.Add("", "", "never", ".", append([]byte("x"), doneLine...))
	f.Fuzz(func(t *testing.T, when, text, until, look string, kernel []byte) {
		steps, err := compile([]Step{{Send: text, Until: until, Look: []string{look, look}}, {When: when, Send: text, Until: until, Look: []string{look}}, {Until: until}})
		if err != nil {
			return
		}
		p := player{out: io.Discard, in: bufio.NewReader(bytes.NewReader(kernel)), outputs: make([]Output, len(steps)), known: map[string]string{}}
		reply := message{Outputs: p.outputs}
		if err := p.play(steps); err != nil {
			reply.Error = err.Error()
		}
		rest := kernel
		for i, o := range p.outputs {
			at := bytes.Index(rest, []byte(o.Text))
			if len(o.Text) > maxOutput || at != 0 {
				t.Fatalf("output %d has %d bytes, at %d of the kernel's", i, len(o.Text), at)
			}
			rest = rest[len(o.Text):]
			if !o.Done && (o.Text != "" || o.Found != nil) {
				t.Errorf("output %d is of a step that was skipped: %+v", i, o)
			}
			if o.Found != nil && len(o.Found) != len(steps[i].look) {
				t.Errorf("output %d found %d of %d", i, len(o.Found), len(steps[i].look))
			}
			for _, found := range o.Found {
				if !strings.Contains(o.Text, found) {
					t.Errorf("output %d: found %q, which is not in %q", i, found, o.Text)
				}
			}
		}
		line, err := reply.line()
		if err != nil {
			t.Fatalf("outputs do not fit: %v", err)
		}
		m, err := receive(nil, bytes.NewReader(line))
		if err != nil || !sameOutputs(m.Outputs, p.outputs) {
			t.Errorf("sent %+v, received %+v, %v", p.outputs, m.Outputs, err)
		}
	})
}

// sameOutputs compares outputs; an empty list of what was found is none.
func sameOutputs(a, b []Output) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Done != b[i].Done || a[i].Text != b[i].Text || strings.Join(a[i].Found, "\x00") != strings.Join(b[i].Found, "\x00") {
			return false
		}
	}
	return true
}
