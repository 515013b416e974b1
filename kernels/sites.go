package kernels

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
