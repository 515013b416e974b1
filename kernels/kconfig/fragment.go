package kconfig

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ldlab/ldlab/kernels/patchset"
)

// A Fragment is a file of config lines, each with its reason.
type Fragment struct {
	Name  string // common.config
	Data  []byte
	Lines []Option
}

// An Option is one line of a fragment: CONFIG_X=value  # reason. A reason may
// begin with the kernel versions that the line is for: # >= 6.4, < 7.3: reason.
type Option struct {
	File   string
	Line   int
	Symbol string // with CONFIG_
	Value  string // y, m, n, a number or a quoted string; n is "not set"
	Reason string

	Versions patchset.Versions // of kernels that have the symbol; the zero value: all
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

// versionsOf matches a reason that begins with versions.
var versionsOf = regexp.MustCompile(`^([<>=][^:]*):\s*(.*)$`)

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
		s := Option{File: name, Line: i + 1, Symbol: m[1], Value: m[2], Reason: m[3]}
		if v := versionsOf.FindStringSubmatch(s.Reason); v != nil {
			var err error
			if s.Versions, err = patchset.ParseVersions(v[1]); err != nil || v[2] == "" {
				return Fragment{}, fmt.Errorf("%s:%d: %q is not VERSIONS: reason", name, i+1, s.Reason)
			}
			s.Reason = v[2]
		}
		if f, ok := first[s.Symbol]; ok {
			return Fragment{}, fmt.Errorf("%s: %s was set in line %d already", s, s.Symbol, f.Line)
		}
		first[s.Symbol] = s
		f.Lines = append(f.Lines, s)
	}
	return f, nil
}

// Merge joins the lines of fragments that are for a kernel version. If several
// set a symbol, the last one decides.
func Merge(frags []Fragment, version string) []Option {
	last := map[string]int{}
	var all []Option
	for _, f := range frags {
		for _, s := range f.Lines {
			if !s.Versions.Has(version) {
				continue
			}
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
