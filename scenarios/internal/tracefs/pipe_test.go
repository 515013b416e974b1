package tracefs

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPipeLine: the rest of the first whole line with the text, and nothing of a
// pipe that has none.
func TestPipeLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"init-1 [000] d..2. 0.1: sched_switch: x\n", ""},
		{"init-1 [000] 0.1: eprobe: w0=0x1\ninit-1 [000] 0.2: eprobe: w0=0x2\n", "w0=0x1"},
		{"init-1 [000] 0.1: eprobe: w0=0x", ""},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fd := int(r.Fd()) // makes it block
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, tt.text)
		if got := (Pipe{fd}).Line("eprobe: "); w.Close() != nil || got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
		r.Close()
	}
}

// TestWordsOf: the words of an event are the bytes that are in memory, and the event
// has all of them.
func TestWordsOf(t *testing.T) {
	line := "(sched.sched_switch) w0=0xc3ffffffdac0c748 w1=0x1 w2=0x0 w3=0xd65f03c0928004a0"
	code := wordsOf(line)
	if len(code) != 8*readWords || !bytes.HasPrefix(code, []byte{0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, 0xc3}) || !bytes.Contains(code, []byte{0xa0, 0x04, 0x80, 0x92}) {
		t.Errorf("% x", code)
	}
	for _, short := range []string{"", "w0=0x1", strings.TrimSuffix(line, " w3=0xd65f03c0928004a0"), strings.Replace(line, "0x1", "(fault)", 1)} {
		if code := wordsOf(short); code != nil {
			t.Errorf("%q: % x", short, code)
		}
	}
}
