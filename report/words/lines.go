package words

import (
	"strings"

	"github.com/rivo/uniseg"
)

// Lines breaks a text at blanks into lines of at most first columns, and then rest. A
// word that is too wide is broken anywhere. A character takes no, one or two columns.
func Lines(text string, first, rest int) (lines []string) {
	line, limit := "", max(first, 1)
	flush := func() { lines, line, limit = append(lines, line), "", max(rest, 1) }
	for _, word := range strings.Fields(text) {
		if line != "" && uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > limit {
			flush()
		}
		if line != "" {
			line += " "
		}
		for uniseg.StringWidth(line)+uniseg.StringWidth(word) > limit {
			n := Fitting(word, limit-uniseg.StringWidth(line))
			line += word[:n]
			word = word[n:]
			flush()
		}
		line += word
	}
	return append(lines, line)
}

// Fitting is the number of bytes of a text that fit into columns: whole characters, as a
// reader sees them, and at least one.
func Fitting(text string, columns int) int {
	n, used := 0, 0
	for g := uniseg.NewGraphemes(text); g.Next(); n += len(g.Str()) {
		if used += g.Width(); used > columns && n > 0 {
			break
		}
	}
	return n
}
