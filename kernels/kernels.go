// Package kernels has the kernels that the lab can build: from a base source,
// patch series and config fragments, for one architecture each. They are data:
// bases/, table/, config/ and patches/.
//
// It is the facade of kernels/source, patchset, kconfig, build and image.
// [Resolve] reads what a user gives, [Builder.Identify] identifies kernels
// before they are built, and a [Builder] fetches, patches, configures and builds
// them into the cache. What is in the cache is not built again, and is not used
// without a check of its checksums.
package kernels

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

//go:embed bases table config patches
var embedded embed.FS

// A Kernel is one entry of the table: what to build.
type Kernel struct {
	Name      string             `toml:"-"`         // the file's name without .toml
	Title     string             `toml:"title"`     // one line
	Base      string             `toml:"base"`      // name of a Base
	Series    []string           `toml:"series"`    // names of patch series, in the order they are applied
	Config    []string           `toml:"config"`    // fragments on top of common and the architecture's
	Interface lockdown.Interface `toml:"interface"` // the interface the kernel has
	Arches    []string           `toml:"arches"`    // architectures it is built for; empty: all
	CPUs      int                `toml:"cpus"`      // processors of its guests; 0: 1
	Tree      string             `toml:"tree"`      // builds in a working tree apart, with the kernels of the same word; empty: with all others

	Ready string `toml:"-"` // what follows ReadyPrefix in the name of a ready kernel, which has no base; empty: it is built
}

// On reports whether the kernel is built for the architecture.
func (k Kernel) On(a *arch.Arch) bool {
	return len(k.Arches) == 0 || slices.Contains(k.Arches, a.Name)
}

// A Base is a kernel source that kernels are built from.
type Base struct {
	Name     string         `toml:"-"`
	Title    string         `toml:"title"`
	Source   string         `toml:"source"`   // where it is taken from; see source.Parse
	Versions string         `toml:"versions"` // what version it may have; see patchset.ParseVersions
	Series   []string       `toml:"series"`   // names of patch series that make the source one for the kernels' series; applied before these, and not if there are none
	Steps    map[string]int `toml:"steps"`    // lines of output of a cold build, by architecture
}

// Tables is everything that can be built.
type Tables struct {
	fsys    fs.FS
	kernels []Kernel
	bases   map[string]Base
}

// Load reads the tables that are part of the program.
func Load() (*Tables, error) { return load(embedded) }

// load reads tables out of any file system, and checks that each name in them
// names something.
func load(fsys fs.FS) (*Tables, error) {
	t := &Tables{fsys: fsys, bases: map[string]Base{}}
	err := eachTOML(fsys, "bases", func(name string, data []byte) error {
		b := Base{Name: name}
		if err := strict.Decode(data, &b); err != nil {
			return err
		}
		t.bases[name] = b
		return t.checkBase(b)
	})
	if err != nil {
		return nil, err
	}
	err = eachTOML(fsys, "table", func(name string, data []byte) error {
		k := Kernel{Name: name}
		if err := strict.Decode(data, &k); err != nil {
			return err
		}
		t.kernels = append(t.kernels, k)
		return t.checkKernel(k)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// eachTOML calls do for each *.toml in dir, by name in order.
func eachTOML(fsys fs.FS, dir string, do func(name string, data []byte) error) error {
	files, err := fs.Glob(fsys, dir+"/*.toml")
	if err != nil {
		return err
	}
	for _, file := range files { // Glob sorts
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		if err := do(strings.TrimSuffix(path.Base(file), ".toml"), data); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
	return nil
}

func (t *Tables) checkBase(b Base) error {
	if _, err := source.Parse(b.Source); err != nil {
		return err
	}
	if _, err := patchset.ParseVersions(b.Versions); err != nil {
		return err
	}
	return t.checkSeries(b.Series)
}

func (t *Tables) checkSeries(names []string) error {
	for _, name := range names {
		if _, err := t.series(name); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tables) checkKernel(k Kernel) error {
	if _, ok := t.bases[k.Base]; !ok {
		return fmt.Errorf("unknown base %q", k.Base)
	}
	if !slices.Contains(lockdown.Interfaces(), k.Interface) {
		return fmt.Errorf("unknown interface %q", k.Interface)
	}
	if err := t.checkSeries(k.Series); err != nil {
		return err
	}
	for _, name := range k.Config {
		if _, err := t.fragment(name); err != nil {
			return err
		}
	}
	for _, name := range k.Arches {
		if arch.Get(name) == nil {
			return fmt.Errorf("unknown architecture %q", name)
		}
	}
	return nil
}

// Kernels lists the table, by name.
func (t *Tables) Kernels() []Kernel { return slices.Clone(t.kernels) }

// Names lists the names of the kernels, in order.
func (t *Tables) Names() []string {
	var names []string
	for _, k := range t.kernels {
		names = append(names, k.Name)
	}
	return names
}

// Kernel looks a kernel up; ok is false if there is none of that name. NAME@BASE is
// the kernel NAME on another base than its own, and goes by that name. A name that
// begins with ReadyPrefix is that of a ready kernel.
func (t *Tables) Kernel(name string) (k Kernel, ok bool) {
	if strings.HasPrefix(name, ReadyPrefix) {
		return ready(name)
	}
	name, base, other := strings.Cut(name, "@")
	for _, k := range t.kernels {
		if k.Name != name {
			continue
		}
		if !other || base == k.Base {
			return k, true
		}
		k.Name, k.Base = name+"@"+base, base
		_, ok := t.bases[base]
		return k, ok
	}
	return Kernel{}, false
}

// Bases lists the names of the bases, in order.
func (t *Tables) Bases() []string { return slices.Sorted(maps.Keys(t.bases)) }

// Base looks a base up; ok is false if there is none of that name.
func (t *Tables) Base(name string) (b Base, ok bool) {
	b, ok = t.bases[name]
	return b, ok
}

// SeriesNames lists the names of the series, in order.
func (t *Tables) SeriesNames() (names []string) {
	files, _ := fs.Glob(t.fsys, "patches/*/series.toml") // the pattern is valid
	for _, f := range files {
		names = append(names, path.Base(path.Dir(f)))
	}
	return names
}

// series reads a series of the table.
func (t *Tables) series(name string) (patchset.Series, error) {
	sub, err := fs.Sub(t.fsys, path.Join("patches", name))
	if err == nil {
		_, err = fs.Stat(sub, "series.toml")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return patchset.Series{}, fmt.Errorf("unknown series %q", name)
	}
	if err != nil {
		return patchset.Series{}, fmt.Errorf("read series %s: %w", name, err)
	}
	return patchset.ReadDir(sub, name)
}

// fragment reads config/NAME.config.
func (t *Tables) fragment(name string) (kconfig.Fragment, error) {
	data, err := fs.ReadFile(t.fsys, "config/"+name+".config")
	if errors.Is(err, fs.ErrNotExist) {
		return kconfig.Fragment{}, fmt.Errorf("unknown config fragment %q", name)
	}
	if err != nil {
		return kconfig.Fragment{}, fmt.Errorf("read config fragment %s: %w", name, err)
	}
	return kconfig.ParseFragment(name+".config", data)
}
