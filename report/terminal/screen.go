// Package terminal writes a matrix for a terminal: coloured by verdict, folded to its
// width, and with what to look at first at the end. Colours never carry what the text
// does not. All text goes through words.Clean, so a guest can add neither an escape
// sequence nor a line.
package terminal

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// MinWidth is the least width that a screen has, in columns. A narrower terminal wraps.
const MinWidth = 32

// A Screen is what is written to.
type Screen struct {
	Width int      // columns; less than MinWidth is taken for it
	Color bool     // with the 16 colours of terminals, which follow the user's theme
	Flags []string // flags of the run that a command must have that repeats it, such as --series
}

// A style is how a text looks. Its value is the parameters of an SGR sequence
// (ECMA-48, select graphic rendition).
type style string

const (
	plain style = ""
	head  style = "1"    // bold
	faint style = "2"    // nothing was measured
	good  style = "32"   // green
	gap   style = "33"   // yellow
	stale style = "1;33" // bold yellow
	bad   style = "1;31" // bold red
	doubt style = "1;35" // bold magenta
	lost  style = "1;36" // bold cyan
)

// styles are those of the verdicts.
var styles = map[matrix.Verdict]style{
	matrix.Enforced:     good,
	matrix.Shadowed:     good,
	matrix.Open:         plain,
	matrix.OpenGap:      gap,
	matrix.GapClosed:    stale,
	matrix.Conforms:     good,
	matrix.Unavailable:  faint,
	matrix.NotPlanned:   faint,
	matrix.Leak:         bad,
	matrix.Overblocked:  bad,
	matrix.Deviates:     bad,
	matrix.NotLocked:    doubt,
	matrix.Unattributed: doubt,
	matrix.Unproven:     doubt,
	matrix.Lost:         lost,
	matrix.NotRun:       lost,
	matrix.Known:        stale,
	matrix.Flaky:        doubt,
}

// A span is text in a style.
type span struct {
	style style
	text  string
}

// A screen collects the lines.
type screen struct {
	Screen
	b strings.Builder
}

// line writes one line. It cleans the text, and is the only place that writes escape
// sequences.
func (s *screen) line(spans ...span) {
	for _, p := range spans {
		text := words.Clean(p.text)
		if s.Color && p.style != plain && text != "" {
			text = "\x1b[" + string(p.style) + "m" + text + "\x1b[0m"
		}
		s.b.WriteString(text)
	}
	s.b.WriteByte('\n')
}

// para writes a text that is broken at blanks. Its first line is indented by first
// columns, and the others by rest; label is put before it.
func (s *screen) para(first, rest int, label span, text string) {
	lead := span{text: strings.Repeat(" ", first)}
	used := first + width(label.text)
	for i, part := range words.Lines(words.Clean(text), s.Width-used, s.Width-rest) {
		if i > 0 {
			lead, label = span{text: strings.Repeat(" ", rest)}, span{}
		}
		s.line(lead, label, span{text: part})
	}
}

// width is the number of columns of a text, in which a character takes none, one or two.
func width(text string) int { return uniseg.StringWidth(text) }

// abbreviated is a text that is not wider than columns: what is left out of its middle
// has a sign.
func abbreviated(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	const sign = "…"
	from, tail := len(text), 0
	for _, cluster := range slices.Backward(clusters(text)) {
		if tail += width(cluster); tail > (columns-1)/2 {
			break
		}
		from -= len(cluster)
	}
	return text[:words.Fitting(text, columns-1-width(text[from:]))] + sign + text[from:]
}

// clusters are the characters of a text, as a reader sees them.
func clusters(text string) (list []string) {
	for g := uniseg.NewGraphemes(text); g.Next(); {
		list = append(list, g.Str())
	}
	return list
}

// pad adds blanks up to a width, at the end or, to the right, before it.
func pad(text string, columns int, right bool) string {
	blanks := strings.Repeat(" ", max(0, columns-width(text)))
	if right {
		return blanks + text
	}
	return text + blanks
}
