package patchset

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// maxStrange is how many strange lines of a patch are named.
const maxStrange = 10

// strange lists what a reader of the patch may not see (CVE-2021-42574): in its subject and
// message, in the names of its files, and in the lines that it adds. In lines of
// context it names no-break spaces only, because the hunk does not match if there is one.
func (f found) strange() (notes []string) {
	more := 0
	report := func(what, where string) {
		if what == "" {
			return
		}
		if len(notes) == maxStrange {
			more++
			return
		}
		notes = append(notes, strict.Printable(fmt.Sprintf("%s: %s has %s", f.patch.Name, where, what)))
	}
	report(unseen(f.patch.Subject), "the subject")
	number := 0
	for line := range strings.Lines(string(f.text)) {
		if number++; diffStart.MatchString(line) {
			break
		}
		report(unseen(line), fmt.Sprintf("line %d of the message", number))
	}
	for _, file := range f.patch.files {
		name := stripPrefix(file.NewName)
		report(hidden(name), "the name of a file, "+name+",")
		for _, fragment := range file.TextFragments {
			was, at := fragment.OldPosition, fragment.NewPosition
			for _, line := range fragment.Lines {
				what := noBreak(line.Line)
				if line.Op == gitdiff.OpAdd {
					what = hidden(line.Line)
				}
				where := fmt.Sprintf("line %d of %s", at, name)
				if line.Op == gitdiff.OpDelete {
					where = fmt.Sprintf("line %d of %s, which it removes,", was, stripPrefix(file.OldName))
				}
				report(what, where)
				if line.Old() {
					was++
				}
				if line.New() {
					at++
				}
			}
		}
	}
	if more > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d more of its lines have such characters", f.patch.Name, more))
	}
	return notes
}

// diffStart is the line at which the message of a patch ends.
var diffStart = regexp.MustCompile(`^(diff --|--- \S|Index: )`)

// mixed is a word of Latin letters with a Cyrillic one that looks like one of them.
var mixed = regexp.MustCompile(`[A-Za-z0-9_][\x{400}-\x{4ff}]|[\x{400}-\x{4ff}][A-Za-z0-9_]`)

// hidden describes what in a line of a file is not what it looks like; empty: nothing.
func hidden(line string) string {
	if what := unseen(line); what != "" {
		return what
	}
	if mixed.MatchString(line) {
		return "a word of Latin and Cyrillic letters, which look alike"
	}
	return noBreak(line)
}

// unseen describes the first character of a line that does not show, or that changes how
// others show; empty: there is none.
func unseen(line string) string {
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	for _, r := range line {
		switch {
		case r == '\t':
		case reorders(r):
			return fmt.Sprintf("%U, which reorders the text around it", r)
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return fmt.Sprintf("%U, which does not show", r)
		case unicode.IsControl(r):
			return fmt.Sprintf("%U, a control character", r)
		}
	}
	return ""
}

// noBreak describes a no-break space, also one of Latin-1.
func noBreak(line string) string {
	for i, r := range line {
		if r == '\u00a0' || r == utf8.RuneError && line[i] == 0xa0 {
			return "a no-break space, as mail programs put in the place of blanks"
		}
	}
	return ""
}

// reorders reports whether a character changes the direction of the text: those of
// Unicode's bidirectional algorithm (UAX 9).
func reorders(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' || r == '\u061c'
}
