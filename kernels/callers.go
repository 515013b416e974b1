package kernels

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/lockdown"
)

//go:embed callers.toml
var callersTOML []byte

// A KnownCaller is what callers.toml knows of a caller.
type KnownCaller struct {
	lockdown.Caller `toml:"-"`

	// By are the probes whose act goes through the caller: "PROBE", or
	// "PROBE: VARIANT" for one of its variants alone.
	By []string `toml:"by"`

	Why string `toml:"why"` // no probe goes through the caller: the reason; empty if By is not, and By if this is not

	ByNeeds []string `toml:"by_needs"` // By holds for kernels that have these words, and Why for others

	ByIn string `toml:"by_versions"` // By holds for these versions of the source, and Why for others; empty: all

	// Needs are words as in sites.toml, besides those of the site.
	Needs []string `toml:"needs"`

	Unless string `toml:"unless"` // a file:function: the caller is there if the source has no call in it

	Held int `toml:"times"` // Caller.Times; 0: 1

	// In are the versions of the source that have the caller; empty: all that the
	// table is for.
	In string `toml:"versions"`

	versions, byVersions patchset.Versions // of In and ByIn
}

// knownCallers is callers.toml, by site and name.
var knownCallers = sync.OnceValues(func() ([]KnownCaller, error) {
	var f map[string]map[string]KnownCaller
	if err := strict.Decode(callersTOML, &f); err != nil {
		return nil, fmt.Errorf("read callers.toml: %w", err)
	}
	var list []KnownCaller
	for site, callers := range f {
		for name, k := range callers {
			k.Caller = lockdown.Caller{Site: site, Name: name, Times: max(k.Held, 1)}
			var err, other error
			k.versions, err = patchset.ParseVersions(k.In)
			k.byVersions, other = patchset.ParseVersions(k.ByIn)
			if err = errors.Join(err, other); err != nil {
				return nil, fmt.Errorf("read callers.toml: %s, %s: %w", site, name, err)
			}
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b KnownCaller) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
})

// KnownCallers lists what callers.toml expects of a kernel: the callers of calls that
// its source has, whose versions and words hold there. The configuration must be
// known.
func KnownCallers(b Built) ([]KnownCaller, error) {
	all, err := knownCallers()
	if err != nil {
		return nil, err
	}
	sites, err := b.Sites()
	if err != nil {
		return nil, err
	}
	inSource := map[string]bool{}
	for _, s := range sites.Source {
		inSource[s.Where()] = true
	}
	var list []KnownCaller
	for _, k := range all {
		if len(inSource) > 0 && (!inSource[k.Site] || inSource[k.Unless]) {
			continue // the call came later, or moved; see sites.toml
		}
		if version := b.Provenance.BaseVersion; version != "" && !k.versions.Has(version) {
			continue
		}
		if WhyAbsent(k.Site, b) != "" || whyAbsent(k.Needs, b.ConfigValue, b.Arch.Name) != "" {
			continue
		}
		if k.ByNeeds != nil || k.ByIn != "" {
			if k.byHolds(b) {
				k.Why = ""
			} else {
				k.By = nil
			}
		}
		list = append(list, k)
	}
	return list, nil
}

// byHolds reports whether By holds for the kernel, and not Why.
func (k KnownCaller) byHolds(b Built) bool {
	return whyAbsent(k.ByNeeds, b.ConfigValue, b.Arch.Name) == "" && k.byVersions.Has(b.Provenance.BaseVersion)
}

// EntryPoints lists the ways from user space into a call site, file:function, that
// callers.toml has for any kernel.
func EntryPoints(site string) (names []string, err error) {
	all, err := knownCallers()
	for _, k := range all {
		if k.Site == site && k.Name != lockdown.CallerBoot && !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names, err
}
