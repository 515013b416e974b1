package kconfig

import (
	"fmt"
	"regexp"
	"strings"
)

// A Fragment is a file of config lines, each with its reason.
type Fragment struct {
	Name  string // common.config
	Data  []byte
	Lines []Option
}

// An Option is one line of a fragment: CONFIG_X=value  # reason.
type Option struct {
	File   string
	Line   int
	Symbol string // with CONFIG_
	Value  string // y, m, n, a number or a quoted string; n is "not set"
	Reason string
}

// DotConfig is the line as .config has it.
func (s Option) DotConfig() string {
	if s.Value == "n" {
		return "# " + s.Symbol + " is not set"
	}
	return s.Symbol + "=" + s.Value
}

func (s Option) String() string {
	return fmt.Sprintf("%s:%d: %s=%s", s.File, s.Line, s.Symbol, s.Value)
}

var optionLine = regexp.MustCompile(`^(CONFIG_[A-Za-z0-9_]+)=([a-z]|-?[0-9]+|0x[0-9a-fA-F]+|"[^"]*")\s+#\s+(\S.*)$`)

// ParseFragment is strict: a line is blank, a comment, or an option with its
// reason; a symbol is set once.
func ParseFragment(name string, data []byte) (Fragment, error) {
	f := Fragment{Name: name, Data: data}
	first := map[string]Option{}
	for i, text := range strings.Split(string(data), "\n") {
		text = strings.TrimRight(text, " \t")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		m := optionLine.FindStringSubmatch(text)
		if m == nil {
			return Fragment{}, fmt.Errorf("%s:%d: %q is not CONFIG_X=value  # reason", name, i+1, text)
		}
		s := Option{name, i + 1, m[1], m[2], m[3]}
		if f, ok := first[s.Symbol]; ok {
			return Fragment{}, fmt.Errorf("%s: %s was set in line %d already", s, s.Symbol, f.Line)
		}
		first[s.Symbol] = s
		f.Lines = append(f.Lines, s)
	}
	return f, nil
}

// Merge joins fragments. If several set a symbol, the last one decides.
func Merge(frags []Fragment) []Option {
	last := map[string]int{}
	var all []Option
	for _, f := range frags {
		for _, s := range f.Lines {
			if i, ok := last[s.Symbol]; ok {
				all[i] = s
				continue
			}
			last[s.Symbol] = len(all)
			all = append(all, s)
		}
	}
	return all
}
