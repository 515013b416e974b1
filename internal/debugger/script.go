//go:build !lean

package debugger

import (
	"fmt"
	"regexp"
	"strings"
)

// A step is a compiled Step.
type step struct {
	when, until *regexp.Regexp // nil: none
	key, send   string
	keyboard    bool
	look        []*regexp.Regexp
}

// compile checks a script and compiles its expressions.
func compile(script []Step) ([]step, error) {
	if len(script) == 0 || len(script) > MaxSteps {
		return nil, fmt.Errorf("script has %d steps, want 1 to %d", len(script), MaxSteps)
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
		return c, fmt.Errorf("looks for %d expressions, want at most %d", len(s.Look), maxLook)
	}
	c.key, c.keyboard, c.send = s.Key, s.Keyboard, s.Send
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
			return c, fmt.Errorf("looks for an empty expression")
		}
		c.look = append(c.look, re)
	}
	if len(s.Key) > 1 {
		return c, fmt.Errorf("key has more than a byte")
	}
	if len(s.Send) > maxWord {
		return c, fmt.Errorf("send has more than %d bytes", maxWord)
	}
	return c, nil
}

// expression compiles a regular expression; it is nil if the text is empty.
func expression(text string) (*regexp.Regexp, error) {
	switch {
	case text == "":
		return nil, nil
	case len(text) > maxWord:
		return nil, fmt.Errorf("expression has more than %d bytes", maxWord)
	}
	return regexp.Compile(text)
}

// find returns an Output's Found.
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

// Answer returns the step's Output if the kernel's answer is the text. It panics
// if the step does not compile. It is for tests of scripts.
func (s Step) Answer(text string) Output {
	c, err := s.compile()
	if err != nil {
		panic(err)
	}
	return Output{Done: true, Text: text, Found: find(c.look, text)}
}

var variable = regexp.MustCompile(`\$\{\w+\}`)

// expand replaces each ${name}. A dollar alone stays, because gdb's packets start
// with it.
func expand(text string, known map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		return known[strings.Trim(v, "${}")]
	})
}
