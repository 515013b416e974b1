package patchset

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

var (
	diffLine = regexp.MustCompile(`^(diff --git \S|@@ -\d+(,\d+)? \+\d+(,\d+)? @@)`)
	// A hunk's head that mail programs have damaged: other blanks, or the line is cut.
	nearHunk = regexp.MustCompile(`^@@[\s\x{a0}]*-\d`)
)

// hiddenHunk is the head of a hunk that the parser does not take for one, so that it
// leaves out the hunk. No other line of a diff begins with @.
var hiddenHunk = regexp.MustCompile(`(?m)^@@[^\n]*\x{a0}[^\n]*@@`)

// otherBlank is a line whose first character, or whose head of a hunk or of a file, has
// a no-break space in the place of a blank.
var otherBlank = regexp.MustCompile(`^(\x{a0}|(@@|diff|---|\+\+\+)[^\n]*\x{a0})`)

// damage describes why a text with a diff in it cannot be read as one; nil if there is
// no diff. err is what the parser said of it. Programs that write mail wrap long lines
// and put other blanks in the place of tabs and blanks.
func damage(text []byte, err error) error {
	first, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		if first == 0 && (diffLine.Match(line) || nearHunk.Match(line)) {
			first = number
		}
		if first > 0 && otherBlank.Match(line) {
			return fmt.Errorf("found a diff, it is damaged at line %d of its text: there is a no-break space, as mail programs put in the place of blanks", number)
		}
	}
	switch {
	case first == 0:
		return err
	case err == nil:
		return fmt.Errorf("found a diff, it is damaged at line %d of its text: it names no file, or no line of a hunk follows", first)
	}
	what := strings.TrimPrefix(err.Error(), "gitdiff: ")
	if strings.Contains(what, "invalid line operation") || strings.Contains(what, "fragment header miscounts") || strings.Contains(what, "missing filename") {
		what += "; a mail program may have wrapped or cut a line"
	}
	return fmt.Errorf("found a diff, it is damaged: %s", what)
}
