// Command hwparams lists the module parameters of a kernel that seem to steer
// hardware and are not declared so, so that lockdown does not check them:
//
//	go run ./kernels/internal/hwparams ~/.cache/ldlab/sources/apt-linux-source-6.12/*/tree >docs/hwparams.md
//
// Lockdown refuses parameters with KERNEL_PARAM_FL_HWPARAM, which module_param_hw and
// its kin set (kernel/params.c:param_check_unsafe, v6.12). This is a lint: it knows
// names and types, and not what a driver does with a value.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hwparams DIR: the source tree of a kernel")
		os.Exit(2)
	}
	if err := run(os.DirFS(os.Args[1]), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "hwparams: %v\n", err)
		os.Exit(3)
	}
}

func run(tree fs.FS, out io.Writer) error {
	version, err := versionOf(tree)
	if err != nil {
		return err
	}
	all, err := scanTree(tree)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	write(w, version, all)
	return w.Flush()
}

// skipped are the directories without code of the kernel.
var skipped = []string{"Documentation", "samples", "scripts", "tools"}

// scanTree scans every file of C, in the order of their names.
func scanTree(tree fs.FS) (all []param, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(skipped, name) || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.Type().IsRegular() || path.Ext(name) != ".c" && path.Ext(name) != ".h":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err == nil {
			all = append(all, scan(name, string(text))...)
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = errors.New("no module parameter is declared there")
	}
	return all, err
}

var versionLine = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$`)

// versionOf is the version in the tree's Makefile.
func versionOf(tree fs.FS) (string, error) {
	text, err := fs.ReadFile(tree, "Makefile")
	if err != nil {
		return "", fmt.Errorf("find version: %w", err)
	}
	parts := versionLine.FindAllSubmatch(text, -1)
	if len(parts) != 3 {
		return "", errors.New("find version: the Makefile is not a kernel's")
	}
	return fmt.Sprintf("%s.%s.%s", parts[0][2], parts[1][2], parts[2][2]), nil
}

// words are the words of names that address hardware: ports, interrupts, channels of
// DMA, memory.
var words = []string{"addr", "address", "base", "baseaddr", "dma", "io", "ioaddr", "iobase", "iomem", "ioport", "irq", "irqs", "mem", "membase", "mmio", "phys", "port", "ports"}

// flags are types whose values only switch something on or off.
var flags = []string{"bool", "invbool", "bint", "bool_enable_only"}

// suspicious reports whether a parameter seems to steer hardware: its name has one of
// the words, and its type holds more than yes or no.
func (p param) suspicious() bool {
	return p.HW == "" && !slices.Contains(flags, p.Type) && slices.ContainsFunc(strings.Split(strings.ToLower(p.Name), "_"), func(word string) bool {
		return slices.Contains(words, strings.TrimRight(word, "0123456789"))
	})
}

// write writes the list.
func write(w io.Writer, version string, all []param) {
	var listed []param
	hw := map[string]int{}
	declared := 0
	for _, p := range all {
		if p.HW != "" {
			hw[p.HW]++
			declared++
		}
		if p.suspicious() {
			listed = append(listed, p)
		}
	}
	var kinds []string
	for kind := range hw {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Or(hw[b]-hw[a], strings.Compare(a, b)) })
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%s %d", kind, hw[kind])
	}
	fmt.Fprintf(w, `# Module parameters that seem to steer hardware and are not declared so

Lockdown refuses parameters that are declared with `+"`module_param_hw`"+` and its kin
(`+"`kernel/params.c:param_check_unsafe`"+`, v6.12). Linux %s declares %d parameters, and %d of
them so (%s).
Of the others, the %d below have one of these words in their name, and a type that holds more than
yes or no:
%s.

This is a lint of names. It does not know what a driver does with a value: some of these
parameters are limits, sizes or network ports. The mode is that of the file in sysfs, 0 if there is
none; every parameter can be set when its module is loaded, or at boot. Declarations in bodies of
macros are not found.

Made by `+"`go run ./kernels/internal/hwparams DIR`"+`, where DIR is the source tree.

| parameter (line) | type | mode | description |
|---|---|---|---|
`, version, len(all), declared, strings.Join(kinds, ", "), len(listed), strings.Join(words, ", "))
	file := ""
	for _, p := range listed {
		if p.File != file {
			file = p.File
			fmt.Fprintf(w, "| **%s** | | | |\n", file)
		}
		fmt.Fprintf(w, "| `%s` (%d) | %s | %s | %s |\n", p.Name, p.Line, cell(p.Type), cell(p.Mode), cell(p.Desc))
	}
}

// cell is a text as the cell of a table has it.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text) }
