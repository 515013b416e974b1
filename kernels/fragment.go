package kernels

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// A fragment is a file of config lines, each with its reason.
type fragment struct {
	name  string // common.config
	data  []byte
	lines []option
}

// An option is one line of a fragment: CONFIG_X=value  # reason.
type option struct {
	file   string
	line   int
	symbol string // with CONFIG_
	value  string // y, m, n, a number or a quoted string; n is "not set"
	reason string
}

// dotConfig is the line as .config has it.
func (s option) dotConfig() string {
	if s.value == "n" {
		return "# " + s.symbol + " is not set"
	}
	return s.symbol + "=" + s.value
}

func (s option) String() string {
	return fmt.Sprintf("%s:%d: %s=%s", s.file, s.line, s.symbol, s.value)
}

// fragment reads config/NAME.config.
func (t *Tables) fragment(name string) (fragment, error) {
	data, err := fs.ReadFile(t.fsys, "config/"+name+".config")
	if err != nil {
		return fragment{}, fmt.Errorf("unknown config fragment %q", name)
	}
	return parseFragment(name+".config", data)
}

var optionLine = regexp.MustCompile(`^(CONFIG_[A-Za-z0-9_]+)=([a-z]|-?[0-9]+|0x[0-9a-fA-F]+|"[^"]*")\s+#\s+(\S.*)$`)

// parseFragment is strict: a line is blank, a comment, or an option with its
// reason; a symbol is set once.
func parseFragment(name string, data []byte) (fragment, error) {
	f := fragment{name: name, data: data}
	first := map[string]option{}
	for i, text := range strings.Split(string(data), "\n") {
		text = strings.TrimRight(text, " \t")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		m := optionLine.FindStringSubmatch(text)
		if m == nil {
			return fragment{}, fmt.Errorf("%s:%d: %q is not CONFIG_X=value  # reason", name, i+1, text)
		}
		s := option{name, i + 1, m[1], m[2], m[3]}
		if f, ok := first[s.symbol]; ok {
			return fragment{}, fmt.Errorf("%s: %s was set in line %d already", s, s.symbol, f.line)
		}
		first[s.symbol] = s
		f.lines = append(f.lines, s)
	}
	return f, nil
}

// merged is what fragments ask for together: the last one that names a symbol
// decides.
func merged(frags []fragment) []option {
	last := map[string]int{}
	var all []option
	for _, f := range frags {
		for _, s := range f.lines {
			if i, ok := last[s.symbol]; ok {
				all[i] = s
				continue
			}
			last[s.symbol] = len(all)
			all = append(all, s)
		}
	}
	return all
}
