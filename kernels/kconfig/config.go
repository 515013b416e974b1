package kconfig

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// A Config is a kernel configuration: symbol (with CONFIG_) to value, as
// .config has it. Symbols that are not set are absent.
type Config map[string]string

var notSet = regexp.MustCompile(`^# (CONFIG_\w+) is not set$`)

// Parse reads a .config. As for Kconfig, the last line that names a symbol
// decides. The text is never trusted to be one: a user may name any file.
func Parse(data []byte) (Config, error) {
	c := Config{}
	found := false
	for i, text := range strings.Split(string(data), "\n") {
		text = strings.TrimSpace(text)
		if m := notSet.FindStringSubmatch(text); m != nil {
			delete(c, m[1])
			found = true
		}
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		symbol, value, ok := strings.Cut(text, "=")
		if !ok || !strings.HasPrefix(symbol, "CONFIG_") {
			return nil, fmt.Errorf("line %d is not CONFIG_X=value", i+1)
		}
		c[symbol] = value
		found = true
	}
	if !found {
		return nil, fmt.Errorf("no CONFIG_X=value in it")
	}
	return c, nil
}

// MaxFile is the size in bytes of the largest .config that is read. Those of
// distributions have some 300 KB.
const MaxFile = 8 << 20

// ReadFile reads a .config.
func ReadFile(file string) (Config, error) {
	data, err := host.ReadFile(file, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read config %s: %w", file, err)
	}
	return c, nil
}

// Get returns a symbol's value (y, m, a number or a quoted string), or n if it is
// not set.
func (c Config) Get(symbol string) string {
	if v, ok := c[symbol]; ok {
		return v
	}
	return "n"
}

// Append adds options to a .config's text.
func Append(text []byte, want []Option) []byte {
	all := slices.Clone(text)
	if len(all) > 0 && all[len(all)-1] != '\n' {
		all = append(all, '\n')
	}
	for _, s := range want {
		all = append(all, s.DotConfig()+"\n"...)
	}
	return all
}

// Check compares a .config after olddefconfig with the options that it should
// have. The error names each option that was not taken, and the reason if the
// Kconfig files of the tree show it.
func Check(got Config, want []Option, tree Tree) error {
	var bad []Option
	for _, s := range want {
		if got.Get(s.Symbol) != s.Value {
			bad = append(bad, s)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	why := readKconfig(tree)
	var lines []string
	for _, s := range bad {
		lines = append(lines, fmt.Sprintf("%s did not stick: %s", s, why.explain(s, got)))
	}
	return &CheckError{strict.Printable(strings.Join(lines, "; "))}
}

// A CheckError is options that do not have the value that was asked for.
type CheckError struct{ Text string }

func (e *CheckError) Error() string { return "check config: " + e.Text }

// Modular reports whether something is built as a module.
func (c Config) Modular() bool {
	for _, v := range c {
		if v == "m" {
			return true
		}
	}
	return false
}

// On reports whether a symbol is on, be it as a module. It is false if the
// configuration is not known.
func (c Config) On(symbol string) bool {
	v := c.Get(symbol)
	return v == "y" || v == "m"
}
