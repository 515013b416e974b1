// Package build builds kernels: from a source, patch series and config
// fragments to an image in the cache with everything that probes need.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

// A Builder builds kernels into a cache. It may be used from several
// goroutines; builds in the same source tree wait for each other.
type Builder struct {
	Cache   string               // directory, absolute
	Jobs    int                  // of make; 0: one a processor
	Refresh bool                 // look for a newer source even if one is in the cache
	Events  func(progress.Event) // progress; nil: none
}

// A Recipe is everything that is known of a kernel before its source is looked
// at.
type Recipe struct {
	Kernel    string // of the table
	Interface lockdown.Interface
	Arch      *arch.Arch
	Source    source.Source
	Base      string             // names Versions in messages
	Versions  patchset.Versions  // what the source may be; the zero value: anything
	Series    []patchset.Series  // in the order they are applied
	Fragments []kconfig.Fragment // the last one that names a symbol decides
	Tree      string             // builds in a working tree apart, with the kernels of the same word; empty: with all others
	Steps     int                // lines of output of a cold build; 0: not known
}

// withDefaults fills in what the zero value leaves open.
func (b *Builder) withDefaults() *Builder {
	c := *b
	if c.Jobs <= 0 {
		c.Jobs = runtime.NumCPU()
	}
	if c.Events == nil {
		c.Events = func(progress.Event) {}
	}
	return &c
}

// Build gives the kernel, out of the cache or newly built. Errors are one line
// each; that of a compiler is a *MakeError, which also has the end of the log.
func (b *Builder) Build(ctx context.Context, r Recipe) (Built, error) {
	b = b.withDefaults()
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return Built{}, fmt.Errorf("use cache: %w", err)
	}
	j, err := b.prepare(ctx, r, true)
	if err != nil {
		return Built{}, err
	}
	if built, ok := j.cached(); ok {
		return built, nil
	}
	if err := checkRequirements(ctx, r.Arch); err != nil {
		return Built{}, err
	}
	return j.build(ctx)
}

// Lookup gives the kernel if it is in the cache. It fetches and builds
// nothing, and takes a fraction of a second.
func (b *Builder) Lookup(ctx context.Context, r Recipe) (built Built, ok bool, err error) {
	b = b.withDefaults()
	b.Refresh = false
	j, err := b.prepare(ctx, r, false)
	if errors.Is(err, source.ErrNotFetched) || errors.Is(err, errNoKey) {
		return Built{}, false, nil
	}
	if err != nil {
		return Built{}, false, err
	}
	built, ok = j.cached()
	return built, ok, nil
}

// Origin gives the source of a recipe if it is in the cache, and otherwise
// source.ErrNotFetched. It checks that the source has the right version and
// that the series apply; such errors are a *VersionError and a
// *patchset.ApplyError.
func (b *Builder) Origin(ctx context.Context, r Recipe) (source.Origin, error) {
	b = b.withDefaults()
	origin, err := source.Cache{Dir: b.Cache, Events: b.Events}.Get(ctx, r.Source, false)
	if err != nil {
		return source.Origin{}, err
	}
	if err := r.checkVersions(origin.Version); err != nil {
		return source.Origin{}, err
	}
	_, err = r.patched(origin)
	return origin, err
}

// patched applies the series to a source.
func (r Recipe) patched(origin source.Origin) (*patchset.Overlay, error) {
	o := patchset.NewOverlay(os.DirFS(origin.Root), source.BuildDir)
	for _, s := range r.Series {
		if err := o.Apply(s); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// A job is one kernel on its way through the builder.
type job struct {
	*Builder
	Recipe
	origin source.Origin
	tools  toolchain
	lab    labKey
	other  labKey // that of the stranger
	key    string // of the result, by everything that goes into it
}

// emit sends an event in the kernel's name.
func (j *job) emit(e progress.Event) {
	e.Kernel, e.Arch = j.Kernel, j.Arch.Name
	j.Events(e)
}

// prepare finds out everything that goes into the kernel. With fetch, it gets
// what is not there yet; without, that is source.ErrNotFetched.
func (b *Builder) prepare(ctx context.Context, r Recipe, fetch bool) (*job, error) {
	j := &job{Builder: b, Recipe: r}
	var err error
	if j.tools, err = findToolchain(ctx, r.Arch); err != nil {
		return nil, err
	}
	sources := source.Cache{Dir: b.Cache, Refresh: b.Refresh, Events: j.emit}
	if j.origin, err = sources.Get(ctx, r.Source, fetch); err != nil {
		return nil, err
	}
	if err := r.checkVersions(j.origin.Version); err != nil {
		return nil, err
	}
	if j.lab, err = b.labKey(ctx, labKeyFile, fetch); err != nil {
		return nil, err
	}
	if j.other, err = b.labKey(ctx, strangerKeyFile, fetch); err != nil {
		return nil, err
	}
	j.key = j.computeKey()
	return j, nil
}

// A VersionError is a source with a version that its base, or a series, is not
// for.
type VersionError struct {
	Series string // empty: the base
	Text   string
}

func (e *VersionError) Error() string { return e.Text }

// checkVersions refuses a source or a series for other versions than the
// source's. Every error is a *VersionError.
func (r Recipe) checkVersions(version string) error {
	if !r.Versions.Has(version) {
		return &VersionError{"", fmt.Sprintf("use source %s: it is Linux %s, and base %s is %s", r.Source, version, r.Base, r.Versions)}
	}
	for _, s := range r.Series {
		if !s.Versions.Has(version) {
			return &VersionError{s.Name, fmt.Sprintf("apply series %s: it is for Linux %s, and %s is %s", s.Name, s.Versions, r.Source, version)}
		}
	}
	return nil
}
