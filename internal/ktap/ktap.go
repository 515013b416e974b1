// Package ktap reads the results that KUnit prints: KTAP, version 1
// (Documentation/dev-tools/ktap.rst, v6.12). It is pure, and takes any text: a console
// may have other lines between, and end anywhere.
package ktap

import (
	"fmt"
	"regexp"
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
	name  string // of the subtest; empty: not known
	plan  int    // -1: not known
	tests []Test
	lines []string // diagnostics since the last result
	begun bool     // something of it was seen
}

// Parse reads the tests in a text: suites, mostly. What is no KTAP is left out. ok is
// false if there is none.
func Parse(text string) (tests []Test, ok bool) {
	p := &parser{levels: []level{{plan: -1}}}
	for line := range strings.Lines(text) {
		p.line(strings.TrimRight(timestamp.ReplaceAllString(line, ""), " \t\r\n"))
	}
	p.cut(0)
	return p.levels[0].tests, p.seen
}

type parser struct {
	levels []level
	seen   bool
	count  int
}

// line reads one line. Its indentation, four blanks a level, is its depth.
func (p *parser) line(text string) {
	body := strings.TrimLeft(text, " ")
	depth := (len(text) - len(body)) / 4
	if depth >= maxDepth {
		return
	}
	switch {
	case version.MatchString(body):
		p.seen = true
		p.begin(depth)
	case subtest.MatchString(body) && p.seen:
		p.begin(depth)
		p.levels[depth].name = strings.TrimSpace(subtest.FindStringSubmatch(body)[1])
	case planned.MatchString(body) && p.seen:
		p.open(depth)
		p.levels[depth].plan, _ = strconv.Atoi(planned.FindStringSubmatch(body)[1])
	case result.MatchString(body) && p.seen && p.count < maxTests:
		p.end(depth, result.FindStringSubmatch(body))
	case strings.HasPrefix(body, "# ") && p.seen:
		if depth < len(p.levels) && len(p.levels[depth].lines) < 100 {
			p.levels[depth].lines = append(p.levels[depth].lines, strings.TrimPrefix(body, "# "))
		}
	}
}

// open makes the levels down to a depth, and ends what is deeper: its results are
// missing.
func (p *parser) open(depth int) {
	p.cut(depth)
	for len(p.levels) <= depth {
		p.levels = append(p.levels, level{plan: -1})
	}
	p.levels[depth].begun = true
}

// begin opens the level of a new group of tests. If another one is open, its result is
// missing.
func (p *parser) begin(depth int) {
	if depth > 0 && depth < len(p.levels) && len(p.levels[depth].tests) > 0 {
		p.cut(depth - 1)
	}
	p.open(depth)
}

// cut ends the levels below a depth without a result.
func (p *parser) cut(depth int) {
	for len(p.levels) > depth+1 {
		l := p.levels[len(p.levels)-1]
		p.levels = p.levels[:len(p.levels)-1]
		if !l.begun && len(l.tests) == 0 {
			continue
		}
		above := &p.levels[len(p.levels)-1]
		above.tests = append(above.tests, Test{Name: l.name, Status: Truncated, Tests: l.tests, Notes: l.notes()})
		p.count++
	}
}

// end reads the result of a test, to which all that is one level deeper belongs.
func (p *parser) end(depth int, m []string) {
	p.seen = true
	p.cut(depth + 1)
	for len(p.levels) <= depth {
		p.levels = append(p.levels, level{plan: -1})
	}
	t := Test{Name: strings.TrimSpace(m[3]), Status: Passed}
	if m[1] == "not ok" {
		t.Status = Failed
	}
	if len(p.levels) > depth+1 {
		below := p.levels[depth+1]
		p.levels = p.levels[:depth+1]
		t.Tests, t.Notes = below.tests, below.notes()
		if t.Name == "" {
			t.Name = below.name
		}
	}
	here := &p.levels[depth]
	if d := directive.FindStringSubmatch(m[4]); d != nil {
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
		t.Why = strings.Join(here.lines, "; ")
	}
	t.Why = t.Why[:min(len(t.Why), maxWhy)]
	here.lines, here.begun = nil, true
	here.tests = append(here.tests, t)
	p.count++
}

// notes reports a number of tests that is not the planned one.
func (l level) notes() []string {
	if l.plan >= 0 && l.plan != len(l.tests) {
		return []string{fmt.Sprintf("%d tests, and its plan has %d", len(l.tests), l.plan)}
	}
	return nil
}

// Count counts the tests without tests of their own, by status.
func Count(tests []Test) map[Status]int {
	n := map[Status]int{}
	for _, t := range tests {
		if len(t.Tests) == 0 {
			n[t.Status]++
			continue
		}
		for s, k := range Count(t.Tests) {
			n[s] += k
		}
	}
	return n
}

// Bad lists the tests that did not pass and were not skipped, as suite/case, and why.
func Bad(tests []Test) (list []string) {
	for _, t := range tests {
		for _, below := range Bad(t.Tests) {
			list = append(list, t.Name+"/"+below)
		}
		leaf := len(t.Tests) == 0 || t.Status == Truncated
		if (t.Status == Failed || t.Status == Truncated) && (leaf || len(list) == 0) {
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
