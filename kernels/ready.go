package kernels

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

// ReadyPrefix begins the names of Debian's ready kernels, which are not built:
// debian:6.12, debian:6.12-cloud, debian:sid-rt.
const ReadyPrefix = "debian:"

// ReadyExamples are names of ready kernels, of each form.
func ReadyExamples() []string {
	return []string{ReadyPrefix + "6.12", ReadyPrefix + "6.12-cloud", ReadyPrefix + "6.12-rt", ReadyPrefix + "sid"}
}

// ready looks a ready kernel up by its name; ok is false if no kernel can have it.
func ready(name string) (k Kernel, ok bool) {
	rest, isReady := strings.CutPrefix(name, ReadyPrefix)
	if !isReady || CheckReady(name) != nil {
		return Kernel{}, false
	}
	rest = strings.TrimSuffix(rest, "-generic")
	return Kernel{
		Name: ReadyPrefix + rest, Title: "Debian's kernel, as its packages ship it", Interface: lockdown.Upstream, Ready: rest,
	}, true
}

// CheckReady reports why a name that begins with ReadyPrefix names no kernel.
func CheckReady(name string) error {
	_, err := source.ParseDebian(strings.TrimPrefix(name, ReadyPrefix), "")
	return err
}

// readySource is where a ready kernel comes from.
func (b *Builder) readySource(spec Spec) (*cache.Cache, source.Cache, source.Source, error) {
	emit := func(e Event) {
		if b.Events != nil {
			e.Kernel, e.Arch = spec.Kernel.Name, spec.Arch.Name
			b.Events(e)
		}
	}
	src, err := source.ParseDebian(spec.Kernel.Ready, spec.Arch.GOARCH) // Debian's names of the lab's architectures are Go's
	if err != nil {
		return nil, source.Cache{}, src, err
	}
	store, err := cache.Open(b.Cache, func(text string) { emit(Event{Phase: Noting, Message: text}) })
	return store, source.Cache{Store: store, Refresh: b.Refresh, Events: emit}, src, err
}

// buildReady fetches a ready kernel, or takes it from the cache. It stays in
// the cache until this process ends.
func (b *Builder) buildReady(ctx context.Context, spec Spec) (Built, error) {
	store, sources, src, err := b.readySource(spec)
	if err != nil {
		return Built{}, err
	}
	before, err := sources.Find(ctx, src)
	cached := err == nil && before.Root != "" && !b.Refresh
	before.Close()
	origin, err := sources.Get(ctx, src)
	if err != nil {
		return Built{}, err
	}
	if !cached {
		if err := store.Tidy(ctx); err != nil {
			sources.Events(Event{Phase: Noting, Message: fmt.Sprintf("prune cache: %v", err)})
		}
	}
	built, err := readyIn(origin, spec)
	built.Cached = cached
	return built, err
}

// lookupReady gives a ready kernel if it is in the cache.
func (b *Builder) lookupReady(ctx context.Context, spec Spec) (built Built, ok bool, err error) {
	_, sources, src, err := b.readySource(spec)
	if err != nil {
		return Built{}, false, err
	}
	origin, err := sources.Find(ctx, src)
	if errors.Is(err, source.ErrNotFetched) || err == nil && origin.Root == "" {
		return Built{}, false, nil
	}
	if err != nil {
		return Built{}, false, err
	}
	built, err = readyIn(origin, spec)
	built.Cached = true
	return built, err == nil, err
}

// identifyReady identifies a ready kernel without a network.
func (b *Builder) identifyReady(ctx context.Context, spec Spec) (Identity, error) {
	_, sources, src, err := b.readySource(spec)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Kernel: spec.Kernel.Name, Arch: spec.Arch.Name, Interface: spec.Kernel.Interface, Source: src.String()}
	origin, err := sources.Find(ctx, src)
	if err != nil && !errors.Is(err, source.ErrNotFetched) {
		return Identity{}, err
	}
	defer origin.Close()
	id.Version, id.Detail, id.SHA256 = origin.Version, origin.Detail, origin.SHA256
	return id, nil
}

// readyIn finds the kernel in what its packages have. Their layout changed with
// Debian's Linux 6.19: the image and its configuration moved from boot/ to
// usr/lib/modules/RELEASE/.
func readyIn(o source.Origin, spec Spec) (Built, error) {
	vmlinuz, err := oneOf(o.Root, "boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz")
	if err != nil {
		return Built{}, err
	}
	config, err := oneOf(o.Root, "boot/config-*", "usr/lib/modules/*/config", "lib/modules/*/config")
	if err != nil {
		return Built{}, err
	}
	modules, err := oneOf(o.Root, "usr/lib/modules/*/kernel", "lib/modules/*/kernel")
	if err != nil {
		return Built{}, err
	}
	i, err := image.Open(vmlinuz, spec.Arch, config, "")
	if err != nil {
		return Built{}, err
	}
	i.Modules = filepath.Dir(modules)
	built := build.OfImage(i)
	p := &built.Provenance
	built.Name, p.Kernel = spec.Kernel.Name, spec.Kernel.Name
	p.Base, p.BaseVersion, p.BaseDetail, p.BaseSHA256 = spec.Kernel.Name, o.Version, o.Detail, o.SHA256
	return built, nil
}

// oneOf is the one file that matches one of the patterns in a directory.
func oneOf(dir string, patterns ...string) (string, error) {
	var found []string
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return "", err
		}
		found = append(found, files...)
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the packages have %d of %s, not one", len(found), strings.Join(patterns, ", "))
	}
	return found[0], nil
}
