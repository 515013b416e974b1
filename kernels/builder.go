package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ldlab/ldlab/internal/arch"
)

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

// A Spec says which kernel to build.
type Spec struct {
	Kernel Kernel
	Arch   *arch.Arch
	Source *Source  // in place of the base's own; nil: the base's own
	Series []string // users' patches, mailboxes or directories, on top of the kernel's own series
}

// DefaultCache is where kernels are kept: $LDLAB_CACHE, or ldlab in the user's
// cache directory.
func DefaultCache() (string, error) {
	if dir := os.Getenv("LDLAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache: %w; set LDLAB_CACHE", err)
	}
	return filepath.Join(dir, "ldlab"), nil
}

// withDefaults fills in what the zero value leaves open.
func (b *Builder) withDefaults() (*Builder, error) {
	c := *b
	var err error
	if c.Cache == "" {
		c.Cache, err = DefaultCache()
	} else {
		c.Cache, err = filepath.Abs(c.Cache) // make runs elsewhere
	}
	if err == nil && c.Tables == nil {
		c.Tables, err = Load()
	}
	if c.Jobs <= 0 {
		c.Jobs = runtime.NumCPU()
	}
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	return &c, err
}

// Build gives the kernel, out of the cache or newly built. Errors are one line
// each; that of a compiler is a *MakeError, which also has the end of the log.
func (b *Builder) Build(ctx context.Context, spec Spec) (Built, error) {
	b, err := b.withDefaults()
	if err != nil {
		return Built{}, err
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return Built{}, fmt.Errorf("use cache: %w", err)
	}
	j, err := b.prepare(ctx, spec, true)
	if err != nil {
		return Built{}, err
	}
	if built, ok := j.cached(); ok {
		return built, nil
	}
	if err := checkRequirements(ctx, spec.Arch); err != nil {
		return Built{}, err
	}
	return j.build(ctx)
}

// Lookup gives the kernel if it is in the cache. It fetches and builds
// nothing, and takes a fraction of a second.
func (b *Builder) Lookup(ctx context.Context, spec Spec) (built Built, ok bool, err error) {
	b, err = b.withDefaults()
	if err != nil {
		return Built{}, false, err
	}
	c := *b
	c.Refresh = false
	j, err := c.prepare(ctx, spec, false)
	if errors.Is(err, errNotFetched) || errors.Is(err, os.ErrNotExist) {
		return Built{}, false, nil
	}
	if err != nil {
		return Built{}, false, err
	}
	built, ok = j.cached()
	return built, ok, nil
}

// A job is one kernel on its way through the builder.
type job struct {
	*Builder
	spec   Spec
	base   Base
	source Source
	origin origin
	series []series
	frags  []fragment
	tools  toolchain
	lab    labKey
	other  labKey // that of the stranger
	key    string // of the result, by everything that goes into it
}

// emit sends an event in the kernel's name.
func (j *job) emit(e Event) {
	e.Kernel, e.Arch = j.spec.Kernel.Name, j.spec.Arch.Name
	j.Events(e)
}

// prepare finds out everything that goes into the kernel. With fetch, it gets
// what is not there yet; without, that is errNotFetched.
func (b *Builder) prepare(ctx context.Context, spec Spec, fetch bool) (*job, error) {
	j := &job{Builder: b, spec: spec}
	if !spec.Kernel.On(spec.Arch) {
		return nil, fmt.Errorf("build kernel %s: it is not for %s", spec.Kernel.Name, spec.Arch.Name)
	}
	if err := j.collect(); err != nil {
		return nil, err
	}
	var err error
	if j.tools, err = findToolchain(ctx, spec.Arch); err != nil {
		return nil, err
	}
	if j.origin, err = j.getSource(ctx, fetch); err != nil {
		return nil, err
	}
	if err := j.checkVersions(); err != nil {
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

// collect reads what the tables and the user give: pure, and checked before
// anything is fetched.
func (j *job) collect() error {
	var ok bool
	if j.base, ok = j.Tables.Base(j.spec.Kernel.Base); !ok {
		return fmt.Errorf("build kernel %s: unknown base %q", j.spec.Kernel.Name, j.spec.Kernel.Base)
	}
	var err error
	if j.spec.Source != nil {
		j.source = *j.spec.Source
	} else if j.source, err = ParseSource(j.base.Source); err != nil {
		return err
	}
	for _, name := range j.spec.Kernel.Series {
		s, err := j.Tables.series(name)
		if err != nil {
			return err
		}
		j.series = append(j.series, s)
	}
	for _, name := range j.spec.Series {
		s, err := userSeries(name)
		if err != nil {
			return err
		}
		j.series = append(j.series, s)
	}
	for _, name := range append([]string{"common", j.spec.Arch.Name}, j.spec.Kernel.Config...) {
		f, err := j.Tables.fragment(name)
		if err != nil {
			return err
		}
		j.frags = append(j.frags, f)
	}
	return nil
}

// checkVersions refuses a source or a series for other versions than the
// source's.
func (j *job) checkVersions() error {
	if j.spec.Source == nil {
		want, err := ParseVersions(j.base.Versions)
		if err != nil {
			return err
		}
		if !want.Has(j.origin.Version) {
			return fmt.Errorf("use source %s: it is Linux %s, and base %s is %s", j.source, j.origin.Version, j.base.Name, want)
		}
	}
	for _, s := range j.series {
		if !s.versions.Has(j.origin.Version) {
			return fmt.Errorf("apply series %s: it is for Linux %s, and %s is %s", s.name, s.versions, j.source, j.origin.Version)
		}
	}
	return nil
}
