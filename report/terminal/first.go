package terminal

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// The end of a report must fit on a screen.
const (
	maxFirst   = 8 // items
	maxSeen    = 2 // lines that a probe saw
	maxConsole = 4 // lines of the console of a lost guest
)

// The indents of a command, and of its further lines, which a shell ignores.
const (
	commandIndent = "    "
	brokenIndent  = "      "
)

// first writes what to look at first.
func (s *screen) first(m *matrix.Matrix) {
	list := words.LookFirst(m, s.Flags)
	s.line()
	if len(list) == 0 {
		s.para(0, 2, span{good, "nothing to look at: "}, "every verdict is as expected, every selected reason was tested, and every guest ended well")
		return
	}
	s.line(span{head, "what to look at first"})
	for i, f := range list[:min(len(list), maxFirst)] {
		kind := styles[f.Verdict]
		if f.Verdict == "" {
			kind = head
		}
		s.para(0, 4, span{kind, fmt.Sprintf("%2d  %s ", i+1, f.Kind)}, f.What)
		s.some(f.Seen, maxSeen, "")
		s.some(last(f.Console, maxConsole), maxConsole, "| ")
		for _, c := range []struct{ label, command string }{{"repeat: ", f.Repeat}, {"repeat this boot: ", f.Boot}, {"explain: ", f.Explain}} {
			if c.command != "" {
				s.command(c.label, c.command)
			}
		}
	}
	if n := len(list) - maxFirst; n > 0 {
		s.para(0, 4, span{}, fmt.Sprintf("and %d more, in report.html beside the results", n))
	}
}

// some writes the first lines of a list, and how many it leaves out.
func (s *screen) some(list []string, most int, mark string) {
	for _, line := range list[:min(len(list), most)] {
		s.para(4, 6, span{text: mark}, line)
	}
	if n := len(list) - most; n > 0 {
		s.line(span{text: "    " + words.Count(n, "more line")})
	}
}

func last(list []string, n int) []string { return list[max(0, len(list)-n):] }

// command writes a command. If it is too wide, it is broken in ways that a shell joins
// again, so that it can be copied.
func (s *screen) command(label, text string) {
	lead := span{text: commandIndent + label}
	for _, part := range wrapCommand(words.Clean(text), s.Width-width(lead.text), s.Width) {
		s.line(lead, span{text: part})
		lead = span{}
	}
}

// wrapCommand breaks a command, quoted for a shell, into lines of at most first
// columns, and then rest. Lines but the last end in a backslash, which a shell removes
// together with the end of the line; quotes are closed before and opened after it. A
// break before a flag is preferred, and then one between words.
func wrapCommand(text string, first, rest int) (lines []string) {
	limit := max(first, 8)
	for {
		if width(text) <= limit {
			return append(lines, text)
		}
		n, end, begin := breakAt(text, limit)
		lines = append(lines, text[:n]+end+`\`)
		text, limit = begin+text[n:], max(rest, 8)
	}
}

// breakAt is where a command is broken: after the last blank that fits, between words and
// before a flag if there is one, or else anywhere that is not within an escape. end and
// begin are what the lines need there.
func breakAt(text string, limit int) (n int, end, begin string) {
	most := words.Fitting(text, limit-2) // a quote and a backslash may follow
	blank, flag := 0, 0
	quote := byte(0)
	for i := 0; i < most; i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != '\'' && c == '\\':
			if i++; i >= most {
				continue
			}
		case quote == 0 && c == ' ' && strings.TrimSpace(text[:i]) != "":
			if blank = i + 1; strings.HasPrefix(text[i+1:], "-") {
				flag = i + 1
			}
		}
		if i > 0 && (i+1 == len(text) || utf8.RuneStart(text[i+1])) {
			if n, end = i+1, ""; quote != 0 {
				end = string(quote)
			}
		}
	}
	if at := cmp.Or(flag, blank); at > 0 {
		return at, "", brokenIndent
	}
	return max(n, 1), end, end
}
