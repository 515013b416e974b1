// Package build builds kernels: from a source, patch series and config
// fragments to an image in the cache with everything that probes need.
package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

// A Builder builds kernels into a cache. It may be used from several
// goroutines; builds in the same source tree wait for each other.
type Builder struct {
	Cache   string               // directory; empty: cache.DefaultDir
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

// Build gives the kernel, out of the cache or newly built. It stays in the
// cache until this process ends. Errors are one line each: that of a compiler
// is a *MakeError, which also has the end of the log; a source or a series that
// does not fit is a *VersionError, a *patchset.ApplyError or a
// *source.InvalidError; and when ctx ends, its cause is in the error.
func (b *Builder) Build(ctx context.Context, r Recipe) (Built, error) {
	for {
		built, err := b.buildOnce(ctx, r)
		if !errors.Is(err, errMoved) {
			return built, err
		}
	}
}

// errMoved is a source that had to be fetched again and has another content now,
// so that the key is another one.
var errMoved = errors.New("the source has changed")

func (b *Builder) buildOnce(ctx context.Context, r Recipe) (Built, error) {
	j, err := b.prepare(ctx, r, true)
	if err != nil {
		return Built{}, err
	}
	defer j.close()
	lease, cached, err := j.store.Get(ctx, cache.Recipe{ID: j.id(), Check: j.check, Make: j.build})
	if err != nil {
		return Built{}, err
	}
	lease.Hold() // guests boot it
	if !cached {
		j.close() // what is not needed any more may be removed
		if err := j.store.Tidy(ctx); err != nil {
			j.note(fmt.Sprintf("prune cache: %v", err))
		}
	}
	return j.built(lease.Path, cached)
}

// Lookup gives the kernel if it is in the cache. It fetches and builds
// nothing, and takes a fraction of a second. Errors are those of Build.
func (b *Builder) Lookup(ctx context.Context, r Recipe) (built Built, ok bool, err error) {
	j, err := b.prepare(ctx, r, false)
	if errors.Is(err, source.ErrNotFetched) || errors.Is(err, errNoKey) {
		return Built{}, false, nil
	}
	if err != nil {
		return Built{}, false, err
	}
	defer j.close()
	lease, err := j.store.Use(ctx, j.id())
	if errors.Is(err, fs.ErrNotExist) {
		return Built{}, false, nil
	}
	if err != nil {
		return Built{}, false, err
	}
	if err := j.check(lease.Path); err != nil {
		lease.Close()
		if !errors.Is(err, fs.ErrNotExist) {
			j.note(fmt.Sprintf("cache entry %s: %v", j.id(), err))
		}
		return Built{}, false, nil
	}
	lease.Hold()
	built, err = j.built(lease.Path, true)
	return built, err == nil, err
}

// Origin gives the source of a recipe as far as it is known without a network,
// and otherwise source.ErrNotFetched. It checks that the source has the right
// version and, if its tree is in the cache, that the series apply; such errors
// are a *VersionError and a *patchset.ApplyError.
func (b *Builder) Origin(ctx context.Context, r Recipe) (source.Origin, error) {
	if err := r.checkRanges(); err != nil {
		return source.Origin{}, err
	}
	j := b.job(r)
	if err := j.open(); err != nil {
		return source.Origin{}, err
	}
	defer j.close()
	var err error
	if j.origin, err = j.sources(false).Find(ctx, r.Source); err != nil {
		return source.Origin{}, err
	}
	if err := r.checkVersions(j.origin.Version); err != nil {
		return source.Origin{}, err
	}
	if j.origin.Root == "" {
		return j.origin, nil
	}
	_, err = r.At(j.origin.Version).patched(j.origin)
	return j.origin, err
}

// At is the recipe for a version of the source: its series are those of the
// version.
func (r Recipe) At(version string) Recipe {
	series := make([]patchset.Series, len(r.Series))
	for i, s := range r.Series {
		series[i] = s.At(version)
	}
	r.Series = series
	return r
}

// patched applies the series, which are those of the source's version.
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
	Builder
	Recipe
	store     *cache.Cache
	origin    source.Origin
	tools     toolchain
	lab       labKey
	untrusted labKey
	key       string            // of the result, by everything that goes into it
	sums      map[string]string // digests of the result's files
}

func (b *Builder) job(r Recipe) *job {
	j := &job{Builder: *b, Recipe: r}
	if j.Jobs <= 0 {
		j.Jobs = runtime.NumCPU()
	}
	if j.Events == nil {
		j.Events = func(progress.Event) {}
	}
	return j
}

// open opens the cache.
func (j *job) open() (err error) {
	j.store, err = cache.Open(j.Cache, j.note)
	return err
}

// close gives up what the job locked. It may be called twice.
func (j *job) close() { j.origin.Close() }

// sources is the cache of sources.
func (j *job) sources(refresh bool) source.Cache {
	return source.Cache{Store: j.store, Refresh: refresh, Events: j.emit}
}

// emit sends an event in the kernel's name.
func (j *job) emit(e progress.Event) {
	e.Kernel, e.Arch = j.Kernel, j.Arch.Name
	j.Events(e)
}

// note sends a line for the user.
func (j *job) note(text string) { j.emit(progress.Event{Phase: progress.Noting, Message: text}) }

// prepare finds out everything that goes into the kernel. With fetch, it gets
// what was never fetched; without, that is source.ErrNotFetched.
func (b *Builder) prepare(ctx context.Context, r Recipe, fetch bool) (j *job, err error) {
	if err := r.checkRanges(); err != nil {
		return nil, err
	}
	j = b.job(r)
	if err := j.open(); err != nil {
		return nil, err
	}
	if err := j.prepare(ctx, fetch); err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

func (j *job) prepare(ctx context.Context, fetch bool) (err error) {
	if fetch {
		if err := os.MkdirAll(j.store.Dir(), 0o755); err != nil {
			return fmt.Errorf("use cache: %w", err)
		}
	}
	if j.tools, err = findToolchain(ctx, j.Arch); err != nil {
		return err
	}
	refresh := fetch && j.Refresh
	if !refresh {
		j.origin, err = j.sources(false).Find(ctx, j.Source)
	}
	if fetch && (refresh || errors.Is(err, source.ErrNotFetched)) {
		j.origin, err = j.sources(refresh).Get(ctx, j.Source)
	}
	if err != nil {
		return err
	}
	if err := j.checkVersions(j.origin.Version); err != nil {
		return err
	}
	j.Recipe = j.At(j.origin.Version)
	if j.lab, err = j.labKey(labKeyFile, fetch); err != nil {
		return err
	}
	if j.untrusted, err = j.labKey(untrustedKeyFile, fetch); err != nil {
		return err
	}
	j.key = j.computeKey()
	return nil
}

// A VersionError is a source with a version that its base, or a series, is not
// for.
type VersionError struct {
	Series string // empty: the base
	Text   string
}

func (e *VersionError) Error() string { return e.Text }

// checkRanges refuses, before anything is fetched, a series that is for none of the
// base's versions. Every error is a *VersionError.
func (r Recipe) checkRanges() error {
	for _, s := range r.Series {
		if !s.Versions.Meets(r.Versions) {
			return &VersionError{s.Name, fmt.Sprintf("apply series %s: it is for Linux %s, and base %s is %s", s.Name, s.Versions, r.Base, r.Versions)}
		}
	}
	return nil
}

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
