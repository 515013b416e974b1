package kconfig

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A Tree is a source tree with Kconfig files.
type Tree struct {
	FS      fs.FS
	SrcArch string   // the directory under arch/ that counts; see SrcArch
	Skip    []string // directories that are no part of the source
}

// SrcArch is the directory under arch/ that an ARCH= is built from: the
// longest that it starts with (x86 for x86_64).
func SrcArch(tree fs.FS, make string) string {
	best := ""
	dirs, _ := fs.ReadDir(tree, "arch")
	for _, d := range dirs {
		if strings.HasPrefix(make, d.Name()) && len(d.Name()) > len(best) {
			best = d.Name()
		}
	}
	return best
}

// A kconfig has the symbols of a tree's Kconfig files, with what is needed to
// explain why one could not be set. It is not a solver.
type kconfig struct {
	symbols map[string][]definition // by name without CONFIG_
	selects map[string][]selection  // by the selected symbol
}

type definition struct {
	where   string // FILE:LINE
	depends []string
	prompt  bool
}

type selection struct {
	by    string
	where string
}

// readKconfig reads every Kconfig file of the tree, but those of other
// architectures. Files that can't be read are left out: this only explains.
func readKconfig(tree Tree) *kconfig {
	k := &kconfig{map[string][]definition{}, map[string][]selection{}}
	fs.WalkDir(tree.FS, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if d.IsDir() {
			dir, name := path.Split(file)
			if slices.Contains(tree.Skip, file) || file == "Documentation" || (dir == "arch/" && name != tree.SrcArch) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasPrefix(d.Name(), "Kconfig") {
			if f, err := tree.FS.Open(file); err == nil {
				k.parse(file, f)
				f.Close()
			}
		}
		return nil
	})
	return k
}

var (
	configLine = regexp.MustCompile(`^\s*(?:menu)?config\s+([A-Za-z0-9_]+)\s*$`)
	promptLine = regexp.MustCompile(`^\s+(?:(?:bool|tristate|string|int|hex)\s+["']|prompt\s)`)
	blockLine  = regexp.MustCompile(`^(if|menu|choice|comment|source|endif|endmenu|endchoice|mainmenu)\b\s*(.*)$`)
	wordLine   = regexp.MustCompile(`^\s+(depends on|select|imply|help)\b\s*(.*)$`)
)

// maxFile is how much of a Kconfig file is read, in bytes. The largest of v6.12
// has 100 KB.
const maxFile = 4 << 20

// parse reads one file.
func (k *kconfig) parse(name string, f io.Reader) {
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return // see readKconfig
	}
	p := parser{k: k}
	n := 0
	lines := strings.Split(string(data), "\n")
	for n < len(lines) {
		line := lines[n]
		n++
		for strings.HasSuffix(line, "\\") && n < len(lines) {
			line = strings.TrimSuffix(line, "\\") + " " + strings.TrimSpace(lines[n])
			n++
		}
		p.line(line, fmt.Sprintf("%s:%d", name, n))
	}
	p.flush()
}

// A parser is in the middle of a Kconfig file.
type parser struct {
	k         *kconfig
	enclosing [][]string // dependencies of each open if, menu and choice
	symbol    string     // the open config block; empty: none
	def       definition
	help      bool // help texts are prose, keywords and all
}

// flush ends the open config block.
func (p *parser) flush() {
	if p.symbol != "" {
		p.k.symbols[p.symbol] = append(p.k.symbols[p.symbol], p.def)
	}
	p.symbol, p.def, p.help = "", definition{}, false
}

func (p *parser) line(line, where string) {
	if m := configLine.FindStringSubmatch(line); m != nil {
		p.flush()
		p.symbol, p.def = m[1], definition{where: where, depends: slices.Concat(p.enclosing...)}
		return
	}
	if m := blockLine.FindStringSubmatch(line); m != nil {
		p.flush()
		p.block(m[1], strings.TrimSpace(m[2]))
		return
	}
	if p.help {
		return
	}
	if p.symbol != "" && promptLine.MatchString(line) {
		p.def.prompt = true
	}
	if m := wordLine.FindStringSubmatch(line); m != nil {
		p.word(m[1], m[2], where)
	}
}

// block opens or closes what encloses config blocks.
func (p *parser) block(word, rest string) {
	switch word {
	case "if":
		p.enclosing = append(p.enclosing, []string{rest})
	case "menu", "choice":
		p.enclosing = append(p.enclosing, nil)
	case "endif", "endmenu", "endchoice":
		if len(p.enclosing) > 0 {
			p.enclosing = p.enclosing[:len(p.enclosing)-1]
		}
	}
}

// word reads a line of a block.
func (p *parser) word(word, rest, where string) {
	switch {
	case word == "help":
		p.help = true
	case word == "depends on" && p.symbol != "":
		p.def.depends = append(p.def.depends, rest)
	case word == "depends on" && len(p.enclosing) > 0:
		last := len(p.enclosing) - 1
		p.enclosing[last] = append(p.enclosing[last], rest)
	case word == "select" && p.symbol != "":
		target, _, _ := strings.Cut(rest, " ")
		p.k.selects[target] = append(p.k.selects[target], selection{p.symbol, where})
	}
}

var symbolWord = regexp.MustCompile(`[A-Z0-9_]*[A-Z][A-Z0-9_]*`)

// explain is one line on why the option may not have been taken.
func (k *kconfig) explain(s Option, got Config) string {
	name := strings.TrimPrefix(s.Symbol, "CONFIG_")
	if s.Value == "n" {
		for _, sel := range k.selects[name] {
			if v := got.Get("CONFIG_" + sel.by); v != "n" {
				return fmt.Sprintf("selected by %s=%s (%s)", sel.by, v, sel.where)
			}
		}
	}
	defs := k.symbols[name]
	if len(defs) == 0 {
		return "no such symbol in this tree"
	}
	var parts []string
	for _, d := range defs {
		part := d.where
		if len(d.depends) > 0 {
			part = fmt.Sprintf("depends on %s", strings.Join(d.depends, " && "))
			if unset := unsetWords(d.depends, got); len(unset) > 0 {
				part += fmt.Sprintf(" (%s)", strings.Join(unset, ", "))
			}
			part += " at " + d.where
		}
		if !d.prompt {
			part += ", and has no prompt: only another symbol can select it"
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("it is %s; %s", got.Get(s.Symbol), strings.Join(parts, "; or "))
}

// unsetWords lists the symbols in expressions that are not set.
func unsetWords(exprs []string, got Config) []string {
	var list []string
	for _, e := range exprs {
		for _, w := range symbolWord.FindAllString(e, -1) {
			text := w + " is not set"
			if got.Get("CONFIG_"+w) == "n" && !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	return list
}
