// Package modules reads the loadable modules of a ready kernel: those that a
// distribution ships beside it, as a directory or in a package.
package modules

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/host"
)

// A Tree is a directory of modules, however deep they lie in it.
type Tree struct {
	dir     string
	name    string            // what a user gave: the directory, or the package that was unpacked into it
	temp    string            // directory into which it was unpacked
	files   map[string]string // path of each module's file in dir, by the module's name
	lists   []string          // paths of modules.builtin in dir
	builtIn map[string]bool   // modules that are part of the kernel image; empty if modules.builtin is missing
}

// A Module is a loadable module as its distribution made it, unpacked.
type Module struct {
	Name     string
	Data     []byte   // the ELF file and what follows it: the signature
	Depends  []string // names of the modules that must be loaded before
	Vermagic string   // its first word is the release of its kernel
	Machine  elf.Machine
	Signed   bool // there is a signature behind it, of whomever
}

// Release is the release of the kernel that the module was built for.
func (m Module) Release() string {
	release, _, _ := strings.Cut(m.Vermagic, " ")
	return release
}

// maxFiles limits how many files a directory of modules may have: the largest
// kernels of distributions have some 7,000 modules.
const maxFiles = 50_000

// Read lists the modules of what a user names: a directory, or a package (.deb, .rpm),
// which it unpacks until Close. Errors begin with "read modules"; a *HostError is not to
// be blamed on what was named.
func Read(ctx context.Context, name string) (*Tree, error) {
	temp, err := os.MkdirTemp("", "ldlab-modules-")
	if err != nil {
		return nil, fmt.Errorf("read modules: %w", &HostError{err})
	}
	dir, err := unpackInto(ctx, name, temp)
	var t *Tree
	if err == nil {
		t, err = open(dir, name)
	}
	if err != nil {
		os.RemoveAll(temp)
		return nil, err
	}
	t.temp = temp
	return t, nil
}

// Close removes what was unpacked.
func (t *Tree) Close() { os.RemoveAll(t.temp) }

// open lists the modules of a directory, which errors call by name.
func open(dir, name string) (*Tree, error) {
	t := &Tree{dir: dir, name: name, files: map[string]string{}, builtIn: map[string]bool{}}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // WalkDir follows no link
		t.dir = real
	}
	files := 0
	err := filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if files++; files > maxFiles {
			return fmt.Errorf("%s has more than %d files", name, maxFiles)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(t.dir, path)
		if err != nil {
			return err
		}
		if d.Name() == "modules.builtin" {
			t.lists = append(t.lists, rel)
			return t.readBuiltIn(path)
		}
		return t.add(rel)
	})
	if err == nil && len(t.files) == 0 {
		err = fmt.Errorf("%s has no module (*.ko, *.ko.xz, *.ko.zst, *.ko.gz)", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read modules: %w", err)
	}
	return t, nil
}

// add adds the file of a module; others are passed over.
func (t *Tree) add(rel string) error {
	name, ok := nameOf(rel)
	if !ok {
		return nil
	}
	if other := t.files[name]; other != "" {
		return fmt.Errorf("%s has the module %s twice, as %s and %s: give the modules of one kernel", t.name, name, other, rel)
	}
	t.files[name] = rel
	return nil
}

// nameOf is the name of the module in a file; ok is false if the file has none.
func nameOf(file string) (name string, ok bool) {
	name = filepath.Base(file)
	for _, p := range packings {
		if base, cut := strings.CutSuffix(name, ".ko"+p.suffix); cut && base != "" {
			return normal(base), true
		}
	}
	return "", false
}

// normal is a module's name as the kernel has it: with underscores.
func normal(name string) string { return strings.ReplaceAll(name, "-", "_") }

// maxList is the size in bytes of the largest modules.builtin that is read. Those of
// distributions have some 15 KB.
const maxList = 4 << 20

func (t *Tree) readBuiltIn(file string) error {
	data, err := host.ReadFile(file, maxList)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := nameOf(strings.TrimSpace(line)); ok {
			t.builtIn[name] = true
		}
	}
	return nil
}

// ErrMissing is wrapped by the errors of Module and Order for a module that is
// not in the tree.
var ErrMissing = errors.New("there is no such module")

// Module reads a module by its name.
func (t *Tree) Module(name string) (Module, error) {
	file, ok := t.files[normal(name)]
	if !ok {
		return Module{}, fmt.Errorf("read module %s: %w in %s", name, ErrMissing, t.name)
	}
	m, err := read(filepath.Join(t.dir, file))
	if err != nil {
		return Module{}, fmt.Errorf("read module %s: %w", file, err)
	}
	m.Name = normal(name)
	return m, nil
}

// Order reads modules and all that they depend on, each after what it needs, so
// that they can be loaded one after the other without modprobe. What the kernel
// image itself has is left out.
func (t *Tree) Order(names ...string) ([]Module, error) {
	o := order{tree: t, state: map[string]int{}}
	for _, name := range names {
		if err := o.visit(normal(name), ""); err != nil {
			return nil, err
		}
	}
	return o.list, nil
}

// Has reports whether the tree has the module or the kernel image has it built in.
func (t *Tree) Has(name string) bool {
	name = normal(name)
	return t.files[name] != "" || t.builtIn[name]
}

// HasFile reports whether the tree has the module as a file.
func (t *Tree) HasFile(name string) bool { return t.files[normal(name)] != "" }

// Sample reads one module, always the same: modules of one tree have the release and
// the architecture of one kernel.
func (t *Tree) Sample() (Module, error) {
	return t.Module(slices.Min(slices.Collect(maps.Keys(t.files))))
}

// An order is a walk through what modules depend on.
type order struct {
	tree  *Tree
	state map[string]int
	list  []Module
}

const (
	visiting = 1 + iota
	visited
)

func (o *order) visit(name, neededBy string) error {
	switch {
	case o.state[name] == visited, o.tree.builtIn[name]:
		return nil
	case o.state[name] == visiting:
		return fmt.Errorf("order modules: %s and %s need each other", name, neededBy)
	}
	o.state[name] = visiting
	m, err := o.tree.Module(name)
	if errors.Is(err, ErrMissing) && neededBy != "" {
		return fmt.Errorf("%w, and %s needs it", err, neededBy)
	}
	if err != nil {
		return err
	}
	for _, dep := range m.Depends {
		if err := o.visit(normal(dep), name); err != nil {
			return err
		}
	}
	o.state[name] = visited
	o.list = append(o.list, m)
	return nil
}
