package progress

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ldlab/ldlab/internal/engine"
)

// written is the output of a Printable for text written in pieces of size
// bytes.
func written(t *testing.T, text []byte, size int) string {
	t.Helper()
	var out bytes.Buffer
	p := &Printable{out: &out}
	for len(text) > 0 {
		n := min(size, len(text))
		if k, err := p.Write(text[:n]); k != n || err != nil {
			t.Fatalf("write: %d, %v", k, err)
		}
		text = text[n:]
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain äöü 漢字\n\ttab":      "plain äöü 漢字\n\ttab",
		"line\r\nnext\r\r\n":       "line\nnext\\x0d\n",
		"over\rwritten\r":          `over\x0dwritten\x0d`,
		"\x1b]0;title\x07\x1b[2J":  `\x1b]0;title\x07\x1b[2J`,
		"\x00\x08\x7f":             `\x00\x08\x7f`,
		"C1 \u009b31m and \x9b31m": `C1 \u009b31m and \x9b31m`,
		"\u202egnp.exe\u2066":      `\u202egnp.exe\u2066`,
		"\u2028\ufeff\U000e0041":   `\u2028\ufeff\U000e0041`,
		"\xff\xc3":                 `\xff\xc3`,
		"\ufffd":                   "\ufffd",
	} {
		for _, size := range []int{1, 2, 3, 1 << 20} {
			if got := written(t, []byte(in), size); got != want {
				t.Errorf("%q by %d: got %q, want %q", in, size, got, want)
			}
		}
	}
}

func TestPrintableBoundsLines(t *testing.T) {
	got := written(t, []byte(strings.Repeat("\x1b", 3000)), 100)
	for _, line := range strings.Split(got, "\n") {
		if len(line) > maxPrintable {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	if n := strings.Count(got, `\x1b`); n != 3000 {
		t.Errorf("%d of 3000 characters", n)
	}
}

// FuzzPrintable: however the input is split, the output is the same, is
// printable, and has no long line.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"plain\r\n", "\x1b]0;t\x07", "\u009b2J\x9b2J", "\u202e\u2066", "\xf0\x9f\x92", "\xff", strings.Repeat("x", 3000)} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		got := written(t, in, max(1, size))
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%U in %q", r, got)
			}
		}
		for _, line := range strings.Split(got, "\n") {
			if len(line) > maxPrintable {
				t.Errorf("a line has %d bytes", len(line))
			}
		}
		if whole := written(t, in, len(in)+1); whole != got {
			t.Errorf("in pieces of %d bytes %q, at once %q", size, got, whole)
		}
	})
}

// TestConsoleIsPrintable: with --verbose neither a guest's console nor a line
// that quotes a guest reaches the terminal unescaped.
func TestConsoleIsPrintable(t *testing.T) {
	var out bytes.Buffer
	u := New(&out)
	u.Event(engine.Event{Console: []byte("boot\r\n\x1b]0;ti")})
	u.Event(engine.Event{Console: []byte("tle\x07\xf0\x9f")})
	u.Event(engine.Event{Note: "guest sent \x1b[2J"})
	u.Close()
	if got, want := out.String(), "boot\n"+`\x1b]0;title\x07\xf0\x9f`+"\n"+`guest sent \x1b[2J`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
