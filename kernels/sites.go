package kernels

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/kernels/internal/callsites"
	"github.com/ldlab/ldlab/lockdown"
)

// Sites lists where the kernel asks lockdown. Of a ready image that is not
// known: the list is empty.
func (b Built) Sites() (lockdown.Sites, error) {
	var s lockdown.Sites
	file, ok := b.Files[sitesFile]
	if !ok {
		return s, nil
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return lockdown.Sites{}, fmt.Errorf("read call sites of kernel %s: %w", b.Name, err)
	}
	return s, nil
}

// sites finds the call sites of what was built, in its machine code and in its
// source.
func (j *job) sites(ctx context.Context, w *workTree, o *overlay, modules []string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(w.build(), "System.map"))
	if err != nil {
		return nil, err
	}
	names, err := callsites.ParseSystemMap(data)
	if err != nil {
		return nil, err
	}
	var s lockdown.Sites
	s.Present, err = callsites.Vmlinux(filepath.Join(w.build(), "vmlinux"), filepath.Join(w.build(), "vmlinux.o"), names)
	if err != nil {
		return nil, fmt.Errorf("find call sites: %w", err)
	}
	for _, m := range modules {
		more, err := callsites.Module(filepath.Join(w.build(), m))
		if err != nil {
			return nil, fmt.Errorf("find call sites: %w", err)
		}
		s.Present = append(s.Present, more...)
	}
	if s.Source, err = j.sourceSites(ctx, w, o); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(s, "", "\t")
	return append(text, '\n'), err
}

// sourceScan is what was found in a source without patches: to read it all takes
// longer than to build a small change.
type sourceScan struct {
	Origin string
	Sites  []lockdown.SourceSite
}

// sourceSites lists the calls in the patched source.
func (j *job) sourceSites(ctx context.Context, w *workTree, o *overlay) ([]lockdown.SourceSite, error) {
	if w.state.Scan.Origin != j.origin.SHA256 {
		sites, err := callsites.Source(ctx, o.root)
		if err != nil {
			return nil, err
		}
		w.state.Scan = sourceScan{j.origin.SHA256, sites}
		if err := w.save(); err != nil {
			return nil, err
		}
	}
	sites := slices.DeleteFunc(slices.Clone(w.state.Scan.Sites), func(s lockdown.SourceSite) bool {
		_, ok := o.files[s.File]
		return ok
	})
	for _, name := range o.paths() {
		sites = append(sites, callsites.File(name, o.files[name].data)...)
	}
	callsites.SortSource(sites)
	return sites, nil
}

//go:embed sites.toml
var sitesTOML []byte

// siteNeeds is sites.toml: what each file:function needs to be compiled.
var siteNeeds = sync.OnceValues(func() (map[string][]string, error) {
	var f struct {
		Needs map[string][]string `toml:"needs"`
	}
	if err := decode(sitesTOML, &f); err != nil {
		return nil, fmt.Errorf("read sites.toml: %w", err)
	}
	return f.Needs, nil
})

// WhyAbsent says why a kernel lacks the calls of a file:function of the source:
// "CONFIG_XEN_PRIVCMD is off", "powerpc only". It is empty where nothing is
// known that keeps them out.
func WhyAbsent(call string, b Built) string {
	needs, err := siteNeeds()
	if err != nil {
		return ""
	}
	return whyAbsent(needs[call], b.config, b.Arch.Name)
}

func whyAbsent(needs []string, config dotConfig, arch string) string {
	for _, n := range needs {
		if strings.HasPrefix(n, "CONFIG_") {
			if config.get(n) == "n" {
				return n + " is off"
			}
		} else if one := strings.Split(n, "|"); !slices.Contains(one, arch) {
			return strings.Join(one, ", ") + " only"
		}
	}
	return ""
}
