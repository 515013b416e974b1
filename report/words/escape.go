package words

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean replaces characters that a terminal or an XML reader would interpret:
// control and format characters, and bytes that are not UTF-8. A tab becomes a
// space.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return utf8.RuneError
	}, s)
}

// MarkupCharacters lists the characters that begin markup in Markdown or HTML within a
// line, a list or a table cell.
const MarkupCharacters = "\\`*{}[]|~#$"

// Markdown escapes text from a guest for Markdown, so that it makes no markup, no
// link, and no mention of a person or an issue in a tracker.
func Markdown(s string) string {
	s = Clean(s)
	var b strings.Builder
	word := false // the last character belongs to a word
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case strings.ContainsRune(MarkupCharacters, r),
			r == '_' && !(word && startsWord(s[i+1:])), // within a word it is no markup
			r == '@' && !word,
			r == ':' && strings.HasPrefix(s[i:], "://"),
			r == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		word = startsWord(string(r))
	}
	return b.String()
}

// startsWord reports whether a text begins with a letter or a digit.
func startsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// Code formats a text as code in Markdown. A backquote cannot be escaped there,
// so it becomes an apostrophe, and a bar is escaped because it would end the
// table cell.
func Code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "|", `\|`).Replace(Clean(s)) + "`"
}

// JSON escapes characters that encoding/json keeps and a terminal would
// interpret. In JSON they occur in strings only.
func JSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// WriteJSON writes a value as JSON that is safe on a terminal: control characters in
// strings are escaped.
func WriteJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(w, JSON(text.String()))
	return err
}
