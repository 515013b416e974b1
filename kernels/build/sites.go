package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/kernels/internal/callsites"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

// Sites lists the call sites of security_locked_down() in the kernel, and its
// reasons. For a ready image they are known if the user gave a file with them, and
// the reasons also if the image shows them.
func (b Built) Sites() (lockdown.Sites, error) {
	var s lockdown.Sites
	file, ok := b.Files[sitesFile]
	if !ok {
		s.Reasons = b.reasons
		return s, nil
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return lockdown.Sites{}, fmt.Errorf("read call sites of kernel %s: %w", b.Name, err)
	}
	if s.Reasons == nil {
		s.Reasons = b.reasons
	}
	return s, nil
}

// sites finds the call sites of what was built, in its machine code and in its
// source.
func (j *job) sites(ctx context.Context, w *source.WorkTree, o *patchset.Overlay, modules []string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(w.Build(), "System.map"))
	if err != nil {
		return nil, err
	}
	names, err := callsites.ParseSystemMap(data)
	if err != nil {
		return nil, err
	}
	var s lockdown.Sites
	s.Present, err = callsites.Vmlinux(filepath.Join(w.Build(), "vmlinux"), filepath.Join(w.Build(), "vmlinux.o"), names)
	if err != nil {
		return nil, fmt.Errorf("find call sites: %w", err)
	}
	for _, m := range modules {
		more, err := callsites.Module(filepath.Join(w.Build(), m))
		if err != nil {
			return nil, fmt.Errorf("find call sites: %w", err)
		}
		s.Present = append(s.Present, more...)
	}
	if s.Source, err = j.sourceSites(ctx, w, o); err != nil {
		return nil, err
	}
	if s.Reasons, err = reasons(o); err != nil {
		j.note(err.Error())
	}
	text, err := json.MarshalIndent(s, "", "\t")
	return append(text, '\n'), err
}

// reasons reads the kernel's reasons out of the patched source.
func reasons(o *patchset.Overlay) (lockdown.KernelReasons, error) {
	var files [][]byte
	for _, name := range callsites.ReasonFiles {
		f, err := o.Read(name)
		if err != nil {
			return nil, err
		}
		files = append(files, f.Data)
	}
	return callsites.Reasons(files)
}

// sourceSites lists the calls in the patched source. What was found without
// patches is kept: to read it all takes longer than to build a small change.
func (j *job) sourceSites(ctx context.Context, w *source.WorkTree, o *patchset.Overlay) ([]lockdown.SourceSite, error) {
	var sites []lockdown.SourceSite
	if w.State.Scan.Origin != j.origin.SHA256 || json.Unmarshal(w.State.Scan.Sites, &sites) != nil {
		var err error
		if sites, err = callsites.Source(ctx, j.origin.Root); err != nil {
			return nil, err
		}
		text, err := json.Marshal(sites)
		if err != nil {
			return nil, err
		}
		w.State.Scan = source.Scan{Origin: j.origin.SHA256, Sites: text}
		if err := w.Save(); err != nil {
			return nil, err
		}
	}
	sites = slices.DeleteFunc(sites, func(s lockdown.SourceSite) bool { return o.Changed(s.File) })
	for _, name := range o.Paths() {
		f, err := o.Read(name)
		if err != nil {
			return nil, err
		}
		sites = append(sites, callsites.File(name, f.Data)...)
	}
	callsites.SortSource(sites)
	return sites, nil
}
