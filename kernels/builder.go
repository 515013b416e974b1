package kernels

import (
	"context"
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/payload"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// What the rooms below have, under the names that callers know.
type (
	Built       = build.Built
	Requirement = build.Requirement
	Source      = source.Source
	Series      = patchset.Series
	Event       = progress.Event
	MakeError   = build.MakeError
)

// Noting is the phase of an event that is something the user should read.
const Noting = progress.Noting

// A Builder builds kernels into a cache. The zero value works: it uses the
// default cache and every processor. It may be used from several goroutines;
// builds in the same source tree wait for each other.
type Builder struct {
	Cache   string      // directory; empty: DefaultCache
	Jobs    int         // of make; 0: one a processor
	Refresh bool        // look for a newer base even if one is in the cache
	Tables  *Tables     // nil: Load
	Events  func(Event) // progress; nil: none
}

// A Spec describes a kernel to build.
type Spec struct {
	Kernel Kernel
	Arch   *arch.Arch
	Source *Source  // in place of the base's own; nil: the base's own
	Series []Series // users', on top of the kernel's own
	Below  bool     // Series are applied before the lab's own series, as one of the kernel's
	Config string   // a fragment (CONFIG_X=value  # reason, a line each) on top of the kernel's own; empty: none
}

// DefaultCache is where kernels are kept; see cache.DefaultDir.
func DefaultCache() (string, error) { return cache.DefaultDir() }

// resolve gives the builder of the room below, and what it is to build.
func (b *Builder) resolve(spec Spec) (*build.Builder, build.Recipe, error) {
	tables := b.Tables
	if tables == nil {
		var err error
		if tables, err = Load(); err != nil {
			return nil, build.Recipe{}, err
		}
	}
	recipe, err := tables.recipe(spec)
	return &build.Builder{Cache: b.Cache, Jobs: b.Jobs, Refresh: b.Refresh, Events: b.Events}, recipe, err
}

// Build gives the kernel, out of the cache or newly built. Errors are one line
// each; that of a compiler is a *MakeError, which also has the end of the
// log.
func (b *Builder) Build(ctx context.Context, spec Spec) (Built, error) {
	if spec.Kernel.Ready != "" {
		built, err := b.buildReady(ctx, spec)
		if err != nil {
			err = fmt.Errorf("kernel %s %s: %w", spec.Kernel.Name, spec.Arch.Name, err)
		}
		return built, err
	}
	builder, recipe, err := b.resolve(spec)
	if err != nil {
		return Built{}, err
	}
	built, err := builder.Build(ctx, recipe)
	return built, blame(spec, err)
}

// Lookup gives the kernel if it is in the cache. It fetches and builds
// nothing, and takes a fraction of a second.
func (b *Builder) Lookup(ctx context.Context, spec Spec) (built Built, ok bool, err error) {
	if spec.Kernel.Ready != "" {
		return b.lookupReady(ctx, spec)
	}
	builder, recipe, err := b.resolve(spec)
	if err != nil {
		return Built{}, false, err
	}
	built, ok, err = builder.Lookup(ctx, recipe)
	return built, ok, blame(spec, err)
}

// recipe reads what the tables and the user give: pure, and checked before
// anything is fetched.
func (t *Tables) recipe(spec Spec) (build.Recipe, error) {
	if !spec.Kernel.On(spec.Arch) {
		return build.Recipe{}, fmt.Errorf("build kernel %s: it is not for %s", spec.Kernel.Name, spec.Arch.Name)
	}
	base, ok := t.Base(spec.Kernel.Base)
	if !ok {
		return build.Recipe{}, fmt.Errorf("build kernel %s: unknown base %q", spec.Kernel.Name, spec.Kernel.Base)
	}
	r := build.Recipe{
		Kernel: spec.Kernel.Name, Interface: spec.Kernel.Interface, Arch: spec.Arch,
		Tree: spec.Kernel.Tree, Steps: base.Steps[spec.Arch.Name],
	}
	var err error
	if spec.Source != nil {
		r.Source = *spec.Source
	} else {
		if r.Source, err = source.Parse(base.Source); err != nil {
			return build.Recipe{}, err
		}
		r.Base = base.Name
		if r.Versions, err = patchset.ParseVersions(base.Versions); err != nil {
			return build.Recipe{}, err
		}
	}
	own := spec.Kernel.Series
	if len(own) > 0 {
		own = slices.Concat(base.Series, own)
	}
	below := spec.Below
	for _, name := range own {
		s, err := t.series(name)
		if err != nil {
			return build.Recipe{}, err
		}
		if below && name == labSeries {
			r.Series = append(r.Series, spec.Series...)
			below = false
		}
		r.Series = append(r.Series, s)
	}
	if below || !spec.Below {
		r.Series = append(r.Series, spec.Series...)
	}
	for _, name := range append([]string{"common", spec.Arch.Name}, spec.Kernel.Config...) {
		f, err := t.fragment(name)
		if err != nil {
			return build.Recipe{}, err
		}
		r.Fragments = append(r.Fragments, f)
	}
	if spec.Config != "" {
		f, err := kconfig.ParseFragment("more.config", []byte(spec.Config))
		if err != nil {
			return build.Recipe{}, err
		}
		r.Fragments = append(r.Fragments, f)
	}
	return r, nil
}

// labSeries is the series that only the lab needs.
const labSeries = "lab"

// ParseSource takes the text form of a source; see source.Parse.
func ParseSource(text string) (Source, error) { return source.Parse(text) }

// Requirements lists what building kernels for the architecture on this host
// needs, in the order in which the build would miss it.
func Requirements(a *arch.Arch) []Requirement { return build.Requirements(a) }

// OfImage takes a ready image for a kernel that was built.
func OfImage(i image.Image) Built { return build.OfImage(i) }

// UnsignedKexec is an image that the architecture's kexec_file_load takes, without
// a signature; nil if the lab has none for it.
func UnsignedKexec(a *arch.Arch) []byte { return payload.Unsigned(a) }
