package kernels

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
)

// A dotConfig is a kernel configuration: symbol (with CONFIG_) to value, as
// .config has it. Symbols that are not set are absent.
type dotConfig map[string]string

// parseConfig takes a .config. It is never trusted to be one: a user may point
// at any file.
func parseConfig(data []byte) (dotConfig, error) {
	c := dotConfig{}
	for i, text := range strings.Split(string(data), "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		symbol, value, ok := strings.Cut(text, "=")
		if !ok || !strings.HasPrefix(symbol, "CONFIG_") {
			return nil, fmt.Errorf("line %d is not CONFIG_X=value", i+1)
		}
		c[symbol] = value
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("no CONFIG_X=value in it")
	}
	return c, nil
}

func readConfig(file string) (dotConfig, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("read config %s: %w", file, err)
	}
	return c, nil
}

// get gives a symbol's value; n where it is not set.
func (c dotConfig) get(symbol string) string {
	if v, ok := c[symbol]; ok {
		return v
	}
	return "n"
}

// appendOptions adds the fragments' lines to a .config's text.
func appendOptions(text []byte, want []option) []byte {
	var b bytes.Buffer
	b.Write(text)
	w := bufio.NewWriter(&b)
	for _, s := range want {
		fmt.Fprintln(w, s.dotConfig())
	}
	w.Flush()
	return b.Bytes()
}

// checkConfig says which line of the fragments did not survive olddefconfig,
// and why, as far as the Kconfig files of the tree tell.
func checkConfig(got dotConfig, want []option, tree, srcarch string) error {
	var bad []option
	for _, s := range want {
		if got.get(s.symbol) != s.value {
			bad = append(bad, s)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	why := readKconfig(tree, srcarch)
	var lines []string
	for _, s := range bad {
		lines = append(lines, fmt.Sprintf("%s did not stick: %s", s, why.explain(s, got)))
	}
	return fmt.Errorf("check config: %s", strings.Join(lines, "; "))
}
