//go:build !lean

package debugger

import (
	"fmt"
	"regexp"
	"strings"
)

// A step is a Step that was checked.
type step struct {
	when, until *regexp.Regexp // nil: none
	send        string
	look        []*regexp.Regexp
}

func compile(script []Step) ([]step, error) {
	if len(script) == 0 || len(script) > maxSteps {
		return nil, fmt.Errorf("%d steps, not 1 to %d", len(script), maxSteps)
	}
	var steps []step
	for i, s := range script {
		c, err := s.compile()
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
		steps = append(steps, c)
	}
	return steps, nil
}

func (s Step) compile() (c step, err error) {
	if len(s.Look) > maxLook {
		return c, fmt.Errorf("looks for %d expressions, not up to %d", len(s.Look), maxLook)
	}
	c.send = s.Send
	if c.when, err = expression(s.When); err != nil {
		return c, err
	}
	if c.until, err = expression(s.Until); err != nil {
		return c, err
	}
	for _, text := range s.Look {
		re, err := expression(text)
		if err != nil {
			return c, err
		}
		if re == nil {
			return c, fmt.Errorf("looks for nothing")
		}
		c.look = append(c.look, re)
	}
	if len(s.Send) > maxWord {
		return c, fmt.Errorf("more than %d bytes", maxWord)
	}
	return c, nil
}

// expression is what a text means; nil where there is none.
func expression(text string) (*regexp.Regexp, error) {
	switch {
	case text == "":
		return nil, nil
	case len(text) > maxWord:
		return nil, fmt.Errorf("more than %d bytes", maxWord)
	}
	return regexp.Compile(text)
}

// find is what an Output's Found says.
func find(look []*regexp.Regexp, text string) (found []string) {
	for _, re := range look {
		what := ""
		if m := re.FindStringSubmatch(text); m != nil {
			what = m[0]
			for i, name := range re.SubexpNames() {
				if name != "" {
					what = m[i]
					break
				}
			}
		}
		found = append(found, what)
	}
	return found
}

// Answer is the output of a step that was answered with the text. It panics on
// a step that cannot be played. It is for tests of those who write scripts.
func (s Step) Answer(text string) Output {
	c, err := s.compile()
	if err != nil {
		panic(err)
	}
	return Output{Done: true, Text: text, Found: find(c.look, text)}
}

var variable = regexp.MustCompile(`\$\{\w+\}`)

// expand puts in for every ${name} what is known of it. A dollar alone is one:
// gdb's packets start with it.
func expand(text string, known map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		return known[strings.Trim(v, "${}")]
	})
}
