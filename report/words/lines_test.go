package words

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

func TestLines(t *testing.T) {
	for _, c := range []struct {
		text        string
		first, rest int
		want        string
	}{
		{"", 9, 9, ""},
		{"a b", 9, 9, "a b"},
		{"one two three", 7, 5, "one two|three"},
		{"one two three", 3, 20, "one|two three"},
		{"abcdefghij", 4, 4, "abcd|efgh|ij"},
		{"ab abcdefghij", 4, 4, "ab|abcd|efgh|ij"},
		{"日本語", 4, 4, "日本|語"},
	} {
		if got := strings.Join(Lines(c.text, c.first, c.rest), "|"); got != c.want {
			t.Errorf("Lines(%q, %d, %d) = %q, want %q", c.text, c.first, c.rest, got, c.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("one two", 3)
	f.Add("日本語 e\u0301", 2)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 2 + (limit%100+100)%100 // the widest character has two columns
		if !utf8.ValidString(text) {
			return
		}
		lines := Lines(text, limit, limit)
		for _, line := range lines {
			if n := uniseg.StringWidth(line); n > limit && !single(line) {
				t.Errorf("%q has %d columns, want at most %d", line, n, limit)
			}
		}
		if got, want := strings.Join(strings.Fields(strings.Join(lines, "")), ""), strings.Join(strings.Fields(text), ""); got != want {
			t.Errorf("Lines changes %q to %q", want, got)
		}
	})
}

// single reports whether a text is one character as a reader sees it: it cannot be
// broken.
func single(text string) bool { return Fitting(text, 0) == len(text) }
