// Package ktap reads the results that KUnit prints: KTAP, version 1
// (Documentation/dev-tools/ktap.rst, v6.12). It is pure, and takes any text: a console
// may have other lines between, and end anywhere.
package ktap

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Status is how a test ended.
type Status string

const (
	Passed    Status = "passed"
	Failed    Status = "failed"
	Skipped   Status = "skipped"
	Truncated Status = "truncated" // the text ends, or another test begins, before its result
)

// A Test is a suite, a case, or a parameter of one.
type Test struct {
	Name   string
	Status Status
	Why    string   `json:",omitempty"` // of a skip; of a failure: its diagnostic lines, joined
	Tests  []Test   `json:",omitempty"` // below it
	Notes  []string `json:",omitempty"` // what is wrong with its results: another number of tests than its plan has
}

// Limits of what is read. More is cut, and noted.
const (
	maxDepth = 16
	maxTests = 100_000
	maxWhy   = 1000 // bytes
)

var (
	timestamp = regexp.MustCompile(`^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?`)
	result    = regexp.MustCompile(`^(ok|not ok) (\d+)(?: -)?(?: ([^#]*))?(?:# *(.*))?$`)
	planned   = regexp.MustCompile(`^1\.\.(\d+)\s*$`)
	subtest   = regexp.MustCompile(`^# Subtest: (.+)$`)
	version   = regexp.MustCompile(`^K?TAP version \d+\s*$`)
	directive = regexp.MustCompile(`(?i)^(SKIP|XFAIL|TIMEOUT|ERROR)\b:?\s*(.*)$`)
)

// A level is the tests of one indentation that wait for the result of the test above.
type level struct {
	indent int    // columns
	name   string // of the subtest; empty: not known
	plan   int    // -1: not known
	tests  []Test
	lines  []string // diagnostics since the last result
	notes  []string
	begun  bool // it has a header
	first  int  // at the bottom: where the tests of this stream begin, because a text may have several
}

// Parse reads the tests in a text: suites, mostly. What is no KTAP is left out. If the
// text ends before the last suite that it plans, a test without a name is truncated. ok
// is false if there is no KTAP.
func Parse(text string) (tests []Test, ok bool) {
	p := &parser{}
	for line := range strings.Lines(text) {
		p.line(strings.TrimRight(timestamp.ReplaceAllString(line, ""), " \t\r\n"))
	}
	if len(p.levels) == 0 {
		return nil, p.seen
	}
	p.cut(0)
	p.endStream()
	return p.levels[0].tests, p.seen
}

type parser struct {
	levels []level // from the bottom, each with more indentation
	seen   bool
	count  int
}

// indentOf is the indentation of a line in columns, and what follows it. KUnit has four
// blanks a level, until v6.1 tabs, and the specification two blanks.
func indentOf(text string) (columns int, body string) {
	for i, c := range text {
		switch c {
		case ' ':
			columns++
		case '\t':
			columns += 8 - columns%8
		default:
			return columns, text[i:]
		}
	}
	return columns, ""
}

// line reads one line. What has more indentation than the line above is below it.
func (p *parser) line(text string) {
	indent, body := indentOf(text)
	switch {
	case version.MatchString(body):
		p.seen = true
		p.begin(indent)
	case subtest.MatchString(body) && p.seen:
		if l := p.begin(indent); l != nil {
			l.name = nameOf(subtest.FindStringSubmatch(body)[1])
		}
	case planned.MatchString(body) && p.seen:
		if l := p.open(indent); l != nil {
			l.plan, _ = strconv.Atoi(planned.FindStringSubmatch(body)[1])
		}
	case result.MatchString(body) && p.seen && p.count < maxTests:
		p.end(indent, result.FindStringSubmatch(body))
	case strings.HasPrefix(body, "# ") && p.seen:
		if i := p.at(indent); i < len(p.levels) && p.levels[i].indent == indent && len(p.levels[i].lines) < 100 {
			p.levels[i].lines = append(p.levels[i].lines, strings.TrimPrefix(body, "# "))
		}
	}
}

// nameOf is the name in a header as a result line has it: without what follows #.
func nameOf(text string) string {
	name, _, _ := strings.Cut(text, "#")
	return strings.TrimSpace(name)
}

// at finds the lowest level with this indentation or more.
func (p *parser) at(indent int) int {
	for i, l := range p.levels {
		if l.indent >= indent {
			return i
		}
	}
	return len(p.levels)
}

// make makes the level of an indentation and tells its place; false: there are too many.
func (p *parser) make(indent int) (int, bool) {
	i := p.at(indent)
	if i < len(p.levels) && p.levels[i].indent == indent {
		return i, true
	}
	if len(p.levels) == maxDepth {
		return 0, false
	}
	p.levels = slices.Insert(p.levels, i, level{indent: indent, plan: -1})
	return i, true
}

// open makes the level of a header, and ends what is deeper: its results are missing.
func (p *parser) open(indent int) *level {
	i, ok := p.make(indent)
	if !ok {
		return nil
	}
	p.cut(i)
	p.levels[i].begun = true
	return &p.levels[i]
}

// begin opens the level of a new group of tests. If another one is open, its result is
// missing. At the bottom that is another stream.
func (p *parser) begin(indent int) *level {
	i := p.at(indent)
	if i < len(p.levels) && p.levels[i].indent == indent && len(p.levels[i].tests) > 0 {
		if i > 0 {
			p.cut(i - 1)
		} else {
			p.cut(0)
			p.endStream()
		}
	}
	return p.open(indent)
}

// cut ends the levels above i without a result.
func (p *parser) cut(i int) {
	for len(p.levels) > i+1 {
		l := p.levels[len(p.levels)-1]
		p.levels = p.levels[:len(p.levels)-1]
		below := &p.levels[len(p.levels)-1]
		switch {
		case l.begun:
			below.tests = append(below.tests, Test{Name: l.name, Status: Truncated, Tests: l.tests, Notes: l.wrong()})
			p.count++
		case len(p.levels) > 1: // results with more indentation than their header
			below.tests = append(below.tests, l.tests...)
		case len(l.tests) > 0:
			below.tests = append(below.tests, Test{Status: Truncated, Tests: l.tests})
			p.count++
		}
	}
}

// endStream compares the tests of a stream with its plan.
func (p *parser) endStream() {
	l := &p.levels[0]
	if n := len(l.tests) - l.first; l.plan >= 0 && n != l.plan {
		l.tests = append(l.tests, Test{Status: Truncated, Why: fmt.Sprintf("%d tests, and the plan has %d", n, l.plan)})
		p.count++
	}
	l.plan, l.first = -1, len(l.tests)
}

// end reads the result of a test, to which all that has more indentation belongs.
func (p *parser) end(indent int, m []string) {
	i, ok := p.make(indent)
	if !ok {
		return
	}
	p.cut(i + 1)
	t := Test{Name: strings.TrimSpace(m[3]), Status: Passed}
	if m[1] == "not ok" {
		t.Status = Failed
	}
	if len(p.levels) > i+1 {
		group := p.levels[i+1]
		p.levels = p.levels[:i+1]
		t.Tests, t.Notes = group.tests, group.wrong()
		switch {
		case t.Name == "":
			t.Name = group.name
		case group.name != "" && group.name != t.Name:
			t.Notes = append(t.Notes, fmt.Sprintf("the tests below it are those of %q, which has no result", group.name))
		}
	}
	here := &p.levels[i]
	if number, _ := strconv.Atoi(m[2]); i > 0 && number != len(here.tests)+1 && len(here.notes) == 0 { // suites of modules are counted on
		here.notes = append(here.notes, fmt.Sprintf("test %d, %s, has the number %d", len(here.tests)+1, t.Name, number))
	}
	t.direct(m[4], here.lines)
	here.lines = nil
	here.tests = append(here.tests, t)
	p.count++
}

// direct reads what follows # in a result line.
func (t *Test) direct(text string, lines []string) {
	if d := directive.FindStringSubmatch(text); d != nil {
		t.Why = d[2]
		switch strings.ToUpper(d[1]) {
		case "SKIP":
			t.Status = Skipped
		case "XFAIL":
			t.Status = Passed // a failure that is expected
		default:
			t.Status = Failed
		}
	} else if t.Status == Failed {
		t.Why = strings.Join(lines, "; ")
	}
	t.Why = t.Why[:min(len(t.Why), maxWhy)]
}

// wrong reports what is wrong with a group: another number of tests than it plans, none
// at all, or numbers that do not follow each other.
func (l level) wrong() []string {
	switch {
	case l.plan >= 0 && l.plan != len(l.tests):
		return []string{fmt.Sprintf("%d tests, and its plan has %d", len(l.tests), l.plan)}
	case l.begun && len(l.tests) == 0:
		return []string{"it has no tests"}
	}
	return l.notes
}

// Count counts the tests without tests of their own, by status. A test that failed
// although nothing below it did counts, too.
func Count(tests []Test) map[Status]int {
	n := map[Status]int{}
	for _, t := range tests {
		below := Count(t.Tests)
		for s, k := range below {
			n[s] += k
		}
		if len(t.Tests) == 0 || t.Status == Failed && below[Failed]+below[Truncated] == 0 {
			n[t.Status]++
		}
	}
	return n
}

// Bad lists the tests that did not pass and were not skipped, as suite/case, and why.
func Bad(tests []Test) (list []string) {
	for _, t := range tests {
		bad := Bad(t.Tests)
		for _, below := range bad {
			list = append(list, t.Name+"/"+below)
		}
		if t.Status == Truncated || t.Status == Failed && len(bad) == 0 {
			text := t.Name + ": " + string(t.Status)
			if t.Why != "" {
				text += ": " + t.Why
			}
			list = append(list, text)
		}
		for _, n := range t.Notes {
			list = append(list, t.Name+": "+n)
		}
	}
	return list
}
