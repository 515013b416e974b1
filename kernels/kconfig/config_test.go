package kconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// tree is a source tree in memory.
func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestParseFragment(t *testing.T) {
	f, err := ParseFragment("x.config", []byte("# head\n\nCONFIG_A=y  # why\nCONFIG_B=\"a # b\" # why\nCONFIG_C=n # off\nCONFIG_D=-1 # number\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.Lines {
		got = append(got, s.DotConfig())
	}
	want := `CONFIG_A=y|CONFIG_B="a # b"|# CONFIG_C is not set|CONFIG_D=-1`
	if strings.Join(got, "|") != want {
		t.Errorf("got %s", got)
	}
	for text, want := range map[string]string{
		"CONFIG_A=y\n":                           `x.config:1: "CONFIG_A=y" is not CONFIG_X=value  # reason`,
		"\nA=y # why\n":                          "x.config:2: ",
		"CONFIG_A=yes # why\n":                   "x.config:1: ",
		"CONFIG_A=y # why\nCONFIG_A=y # again\n": "x.config:2: CONFIG_A=y: CONFIG_A was set in line 1 already",
		"CONFIG_A=y # >= six: why\n":             `x.config:1: ">= six: why" is not VERSIONS: reason`,
		"CONFIG_A=y # >= 6.1:\n":                 `x.config:1: ">= 6.1:" is not VERSIONS: reason`,
		"CONFIG_A=y # why\n\nCONFIG_A=n # not\n": "x.config:3: CONFIG_A=n: CONFIG_A was set in line 1 already",
	} {
		if _, err := ParseFragment("x.config", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// The last fragment that names a symbol decides.
func TestMerged(t *testing.T) {
	a, _ := ParseFragment("a.config", []byte("CONFIG_A=y # a\nCONFIG_B=y # a\n"))
	b, _ := ParseFragment("b.config", []byte("CONFIG_A=n # b\n"))
	got := Merge([]Fragment{a, b}, "6.12.117")
	if len(got) != 2 || got[0].String() != "b.config:1: CONFIG_A=n" || got[1].String() != "a.config:2: CONFIG_B=y" {
		t.Errorf("got %v", got)
	}
}

// A line that is for other versions is not there, and does not decide.
func TestMergedAtVersion(t *testing.T) {
	a, err := ParseFragment("a.config", []byte("CONFIG_A=y # a\nCONFIG_B=y # >= 6.4, < 7.3: tracefs: b\n"))
	if err != nil || a.Lines[1].Reason != "tracefs: b" {
		t.Fatalf("%+v, %v", a, err)
	}
	b, err := ParseFragment("b.config", []byte("CONFIG_A=n # < 6.4: b\n"))
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{
		"6.1.187": "[b.config:1: CONFIG_A=n]",
		"6.4":     "[a.config:1: CONFIG_A=y a.config:2: CONFIG_B=y]",
		"7.2.8":   "[a.config:1: CONFIG_A=y a.config:2: CONFIG_B=y]",
		"7.3.4":   "[a.config:1: CONFIG_A=y]",
	} {
		if got := fmt.Sprint(Merge([]Fragment{a, b}, version)); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

func TestCheckConfig(t *testing.T) {
	tree := tree(map[string]string{
		"Kconfig": "source \"a/Kconfig\"\n",
		"a/Kconfig": `menu "gates"
	depends on SECURITY

if NET
config GATE
	bool "A gate"
	depends on HINGES && \
		!WALL
	help
	  select this if you
	  depends on gates.
endif

config HIDDEN
	bool
	default y if GATE

config FORCED
	bool "Forced"

config FORCER
	bool "Forcer"
	select FORCED
endmenu

config FREE
	bool "Free"
`,
		"arch/x86/Kconfig": "config BOTH\n\tbool \"x86's\"\n\tdepends on TSC\n",
		"arch/arc/Kconfig": "config BOTH\n\tbool \"arc's\"\n\tdepends on ARCS\n",
	})
	got := Config{"CONFIG_SECURITY": "y", "CONFIG_WALL": "y", "CONFIG_FORCED": "y", "CONFIG_FORCER": "y", "CONFIG_FREE": "y", "CONFIG_N": "17"}
	for line, want := range map[string]string{
		"CONFIG_GATE=y":   "x.config:1: CONFIG_GATE=y did not stick: it is n; depends on SECURITY && NET && HINGES &&  !WALL (NET is not set, HINGES is not set) at a/Kconfig:5",
		"CONFIG_HIDDEN=y": "only another symbol can select it",
		"CONFIG_FORCED=n": "x.config:1: CONFIG_FORCED=n did not stick: selected by FORCER=y (a/Kconfig:23)",
		"CONFIG_NOSUCH=y": "no such symbol in this tree",
		"CONFIG_N=18":     "no such symbol",
		"CONFIG_BOTH=y":   "it is n; depends on TSC (TSC is not set) at arch/x86/Kconfig:1",
		"CONFIG_FREE=y":   "",
		"CONFIG_GATE=n":   "",
		"CONFIG_N=17":     "",
	} {
		f, err := ParseFragment("x.config", []byte(line+" # why\n"))
		if err != nil {
			t.Fatal(err)
		}
		err = Check(got, Merge([]Fragment{f}, "6.12.117"), Tree{FS: tree, SrcArch: SrcArch(tree, "x86_64")})
		switch {
		case want == "" && err != nil, want != "" && err == nil:
			t.Errorf("%s: %v", line, err)
		case err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "arc") && !strings.Contains(want, "arch/x86")):
			t.Errorf("%s: %v\nwant %s", line, err, want)
		}
	}
}

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": "# x\nCONFIG_A=y\n# CONFIG_B is not set\n", "junk": "\x7fELF\x00", "empty": "# nothing\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadFile(filepath.Join(dir, "good"))
	if err != nil || c.Get("CONFIG_A") != "y" || c.Get("CONFIG_B") != "n" {
		t.Errorf("got %v, %v", c, err)
	}
	for _, bad := range []string{"junk", "empty", "none"} {
		if _, err := ReadFile(filepath.Join(dir, bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
