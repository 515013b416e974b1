package kconfig

import (
	"io"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzConfig reads anything as a .config. What can be read survives being
// written and read again, and options that are added to it hold.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"a # b\"\nCONFIG_D=0x10\n", "CONFIG_A=y", "CONFIG_A=\n", "CONFIG_=\n", "# nothing\n", "\x7fELF", " CONFIG_A=y\r\n",
	} {
		f.Add([]byte(seed))
	}
	want := []Option{{Symbol: "CONFIG_A", Value: "n"}, {Symbol: "CONFIG_ADDED", Value: "m"}, {Symbol: "CONFIG_TEXT", Value: `"x"`}}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		var text strings.Builder
		text.WriteString("# CONFIG_NONE is not set\n")
		for symbol, value := range c {
			text.WriteString(symbol + "=" + value + "\n")
		}
		if again, err := Parse([]byte(text.String())); err != nil || !maps.Equal(again, c) {
			t.Errorf("%q comes back as %q, %v", c, again, err)
		}
		more, err := Parse(Append(data, want))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range want {
			if more.Get(o.Symbol) != o.Value {
				t.Errorf("%s was added, and is %s", o, more.Get(o.Symbol))
			}
		}
		for symbol, value := range c {
			if symbol != "CONFIG_A" && symbol != "CONFIG_ADDED" && symbol != "CONFIG_TEXT" && more[symbol] != value {
				t.Errorf("%s was %s, and is %s", symbol, value, more[symbol])
			}
		}
	})
}

// FuzzFragment reads anything as a fragment. Each option holds in the .config
// that it makes, and keeps the line that it stands on.
func FuzzFragment(f *testing.F) {
	for _, seed := range []string{
		"# head\n\nCONFIG_A=y  # why\nCONFIG_B=\"a # b\" # why\nCONFIG_C=n # off\nCONFIG_D=-1 # number\n", "CONFIG_A=y # a\nCONFIG_A=n # b\n", "CONFIG_A=y\n", "CONFIG_A=\"\\\" # x\n",
		"CONFIG_A=y # >= 6.12, < 7: why\nCONFIG_B=y # < 6.1: why\nCONFIG_C=y # > x: why\nCONFIG_D=y # = 6:\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fragment, err := ParseFragment("x.config", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("an error that is not fit for a terminal: %q", err)
			}
			return
		}
		lines := strings.Split(string(data), "\n")
		c, err := Parse(Append([]byte("CONFIG_BASE=y\n"), Merge([]Fragment{fragment}, "6.12.117")))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range fragment.Lines {
			if o.Versions.Has("6.12.117") && c.Get(o.Symbol) != o.Value {
				t.Errorf("%s is %s", o, c.Get(o.Symbol))
			}
			if o.Line < 1 || o.Line > len(lines) || !strings.HasPrefix(lines[o.Line-1], o.Symbol+"="+o.Value) {
				t.Errorf("%s does not stand there", o)
			}
			if o.Reason == "" {
				t.Errorf("%s has no reason", o)
			}
		}
	})
}

// FuzzKconfig reads anything as a Kconfig file. Symbols have definitions in
// lines that exist, and explanations are one line.
func FuzzKconfig(f *testing.F) {
	for _, seed := range []string{
		"config A\n\tbool \"A\"\n\tdepends on B && \\\n\t\t!C\n\thelp\n\t  select this\n", "if A\nmenu \"m\"\ndepends on B\nconfig C\n\tselect D if E\nendmenu\nendif\n", "endif\nendmenu\n", "config A\nconfig A\n", "config A\n\tdepends on \\", "\\\n\\\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k := readKconfig(Tree{FS: fstest.MapFS{"Kconfig": {Data: []byte(text)}}})
		lines := strings.Split(text, "\n")
		for symbol, definitions := range k.symbols {
			if len(definitions) == 0 {
				t.Errorf("%s has no definition", symbol)
			}
			for _, d := range definitions {
				if n := lineOf(t, d.where); n > len(lines) || !strings.Contains(strings.Join(lines[:n], "\n"), symbol) {
					t.Errorf("%s is not defined at %s", symbol, d.where)
				}
			}
			for _, value := range []string{"y", "n"} {
				o := Option{Symbol: "CONFIG_" + symbol, Value: value}
				if why := k.explain(o, Config{"CONFIG_X": "y"}); strings.Contains(why, "\n") || why == "" {
					t.Errorf("%s: %q", o, why)
				}
			}
		}
		for _, selections := range k.selects {
			for _, s := range selections {
				if _, ok := k.symbols[s.by]; !ok {
					t.Errorf("%q selects, and is not defined", s.by)
				}
			}
		}
	})
}

func lineOf(t *testing.T, where string) int {
	t.Helper()
	n := 0
	for _, c := range strings.TrimPrefix(where, "Kconfig:") {
		if c < '0' || c > '9' {
			t.Fatalf("%q is no place", where)
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// A line may be longer than a buffer: what follows it is read, too.
func TestLongLine(t *testing.T) {
	k := &kconfig{map[string][]definition{}, map[string][]selection{}}
	k.parse("Kconfig", io.MultiReader(strings.NewReader("# "+strings.Repeat("x", 1<<20)+"\nconfig A\n\tbool \"A\"\n")))
	if len(k.symbols["A"]) != 1 || k.symbols["A"][0].where != "Kconfig:2" {
		t.Errorf("got %+v", k.symbols)
	}
}
