package kconfig

import (
	"bufio"
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

// A kconfig is what the Kconfig files of a tree say of their symbols: as much
// as it takes to tell why one could not be set. It is not a solver.
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

func (k *kconfig) parse(name string, f io.Reader) {
	var enclosing [][]string // dependencies of each open if, menu and choice
	var symbol string        // the open config block
	var def *definition
	var help bool // help texts are prose, keywords and all
	flush := func() {
		if def != nil {
			k.symbols[symbol] = append(k.symbols[symbol], *def)
		}
		symbol, def, help = "", nil, false
	}
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		for strings.HasSuffix(line, "\\") && in.Scan() {
			line = strings.TrimSuffix(line, "\\") + " " + strings.TrimSpace(in.Text())
			n++
		}
		where := fmt.Sprintf("%s:%d", name, n)
		if m := configLine.FindStringSubmatch(line); m != nil {
			flush()
			symbol, def = m[1], &definition{where: where, depends: slices.Concat(enclosing...)}
			continue
		}
		if m := blockLine.FindStringSubmatch(line); m != nil {
			flush()
			switch m[1] {
			case "if":
				enclosing = append(enclosing, []string{strings.TrimSpace(m[2])})
			case "menu", "choice":
				enclosing = append(enclosing, nil)
			case "endif", "endmenu", "endchoice":
				if len(enclosing) > 0 {
					enclosing = enclosing[:len(enclosing)-1]
				}
			}
			continue
		}
		if def != nil && !help && promptLine.MatchString(line) {
			def.prompt = true
		}
		m := wordLine.FindStringSubmatch(line)
		switch {
		case help || m == nil:
		case m[1] == "help":
			help = true
		case m[1] == "depends on" && def != nil:
			def.depends = append(def.depends, m[2])
		case m[1] == "depends on" && len(enclosing) > 0:
			enclosing[len(enclosing)-1] = append(enclosing[len(enclosing)-1], m[2])
		case m[1] == "select" && def != nil:
			target, _, _ := strings.Cut(m[2], " ")
			k.selects[target] = append(k.selects[target], selection{symbol, where})
		}
	}
	flush()
}

var symbolWord = regexp.MustCompile(`[A-Z0-9_]*[A-Z][A-Z0-9_]*`)

// explain says in one line why the option may not have been taken.
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
