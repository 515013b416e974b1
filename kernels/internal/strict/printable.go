package strict

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable gives text that is fit for a terminal and is one line: characters
// that are not printable are escaped as in Go's strings. Text that came from a
// user's files may hold anything.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Error makes the text of an error printable, and one line.
func Error(err error) error {
	if err == nil || Printable(err.Error()) == err.Error() {
		return err
	}
	return &printable{err}
}

type printable struct{ error }

func (e *printable) Error() string { return Printable(strings.TrimSpace(e.error.Error())) }
func (e *printable) Unwrap() error { return e.error }
