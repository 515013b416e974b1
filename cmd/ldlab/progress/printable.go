// Package progress shows the progress of a run on a terminal or in a log, and makes text
// of guests fit for both.
package progress

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// maxPrintable is the maximum length of a line in bytes.
const maxPrintable = 1 << 10

// A Printable is a writer that escapes, as in Go strings (\x1b, \u202e), what a
// terminal would interpret: escape sequences, other control characters,
// characters that change the direction of text, and bytes that are not UTF-8.
// Line feeds and tabs stay as they are, and a line longer than maxPrintable is
// broken.
type Printable struct {
	out  io.Writer
	rest []byte // an incomplete character, or a carriage return
	line int    // bytes written of the current line
}

// NewPrintable returns a writer that escapes what it writes to out.
func NewPrintable(out io.Writer) *Printable { return &Printable{out: out} }

// Write keeps an incomplete character. It returns the error of the underlying
// writer.
func (p *Printable) Write(b []byte) (int, error) {
	in := append(p.rest, b...)
	var out []byte
	for len(in) > 0 && (in[0] != '\r' || len(in) > 1) && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		if r == '\r' && in[1] == '\n' { // the end of a line on a console
			r, n = '\n', 2
		}
		out = p.append(out, r, in[:n])
		in = in[n:]
	}
	p.rest = append([]byte(nil), in...)
	if _, err := p.out.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Flush writes the incomplete character.
func (p *Printable) Flush() error {
	var out []byte
	for _, c := range p.rest {
		out = p.append(out, utf8.RuneError, []byte{c})
	}
	p.rest = nil
	_, err := p.out.Write(out)
	return err
}

// append appends a character, encoded as raw, to out.
func (p *Printable) append(out []byte, r rune, raw []byte) []byte {
	if r == '\n' {
		p.line = 0
		return append(out, '\n')
	}
	var text []byte
	switch {
	case r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || len(raw) > 1):
		text = raw
	case len(raw) == 1:
		text = fmt.Appendf(nil, `\x%02x`, raw[0])
	case r > 0xffff:
		text = fmt.Appendf(nil, `\U%08x`, r)
	default:
		text = fmt.Appendf(nil, `\u%04x`, r)
	}
	if p.line+len(text) > maxPrintable {
		out, p.line = append(out, '\n'), 0
	}
	p.line += len(text)
	return append(out, text...)
}
