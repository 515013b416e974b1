package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// build builds the kernel in the working tree of its source and architecture.
func (j *job) build(ctx context.Context) (Built, error) {
	name := j.origin.Slot + "-" + j.Arch.Name
	if j.Tree != "" {
		name += "-" + host.Fit(j.Tree)
	}
	dir := filepath.Join(j.Cache, "trees", name)
	unlock, err := host.Lock(ctx, dir, j.emit)
	if err != nil {
		return Built{}, err
	}
	defer unlock()
	if built, ok := j.cached(); ok { // built while we waited
		return built, nil
	}
	o := patchset.NewOverlay(os.DirFS(j.origin.Root), source.BuildDir)
	for _, s := range j.Series {
		if err := o.Apply(s); err != nil {
			return Built{}, err
		}
	}
	w, err := source.OpenTree(ctx, dir, j.origin, j.emit)
	if err == nil {
		err = w.Sync(o)
	}
	if err != nil {
		return Built{}, fmt.Errorf("prepare tree: %w", err)
	}
	if err := j.compile(ctx, w, o); err != nil {
		var failed *MakeError
		if errors.As(err, &failed) {
			return Built{}, err
		}
		return Built{}, fmt.Errorf("build kernel %s for %s: %w", j.Kernel, j.Arch.Name, err)
	}
	j.emit(progress.Event{Phase: progress.Storing})
	if err := j.store(ctx, w, o); err != nil {
		return Built{}, fmt.Errorf("store kernel %s for %s: %w", j.Kernel, j.Arch.Name, err)
	}
	built, err := openEntry(j.entry(), j.Arch)
	if err != nil {
		return Built{}, fmt.Errorf("store kernel: %w", err)
	}
	return built, nil
}

// compile configures and makes.
func (j *job) compile(ctx context.Context, w *source.WorkTree, o *patchset.Overlay) error {
	log, err := os.Create(w.Log())
	if err != nil {
		return err
	}
	defer log.Close()
	temperature := "warm"
	if _, err := os.Stat(filepath.Join(w.Build(), path.Clean(j.Arch.Image))); err != nil {
		temperature = "cold"
	}
	if err := j.configure(ctx, w, o, log); err != nil {
		return err
	}
	total := w.State.Steps[temperature]
	if total == 0 && temperature == "cold" {
		total = j.Steps
	}
	w.State.Building = true
	if err := w.Save(); err != nil {
		return err
	}
	m := progress.NewMeter(j.emit, progress.Building, int64(total))
	steps := 0
	targets, err := j.targets(w)
	if err != nil {
		return err
	}
	err = j.make(ctx, w, log, func(what string) { steps++; m.Set(int64(steps), what) }, targets...)
	var s *stopped
	if errors.As(err, &s) && !s.clean {
		return err // still marked as building
	}
	w.State.Building = false
	if err == nil {
		if w.State.Steps == nil {
			w.State.Steps = map[string]int{}
		}
		w.State.Steps[temperature] = steps
	}
	return errors.Join(err, w.Save())
}

// store puts the result into the cache, all of it or nothing.
func (j *job) store(ctx context.Context, w *source.WorkTree, o *patchset.Overlay) error {
	fresh := filepath.Join(w.Dir, "result")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	file := filepath.Join(fresh, imageFile)
	if err := j.strip(ctx, filepath.Join(w.Build(), j.Arch.Image), file); err != nil {
		return err
	}
	if err := image.Check(file, j.Arch); err != nil {
		return err
	}
	for from, to := range map[string]string{
		filepath.Join(w.Build(), ".config"):    configFile,
		filepath.Join(w.Build(), "System.map"): "System.map",
		w.Log():                                "build.log",
	} {
		if err := host.CopyFile(from, filepath.Join(fresh, to), 0o644); err != nil {
			return err
		}
	}
	files, err := j.payloads(w)
	if err != nil {
		return err
	}
	list, err := modules(w)
	if err != nil {
		return err
	}
	if files[sitesFile], err = j.sites(ctx, w, o, list); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(fresh, name), data, 0o644); err != nil {
			return err
		}
	}
	prov, err := j.provenance(fresh)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(prov, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, provenanceFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := writeSums(fresh); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(j.entry()), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(j.entry()); err != nil { // a damaged one
		return err
	}
	return os.Rename(fresh, j.entry())
}

// strip copies the image without its symbols, which are half of an ELF file
// and which nobody reads: the kernel has kallsyms. Other formats have none.
func (j *job) strip(ctx context.Context, from, to string) error {
	head, err := host.ReadHead(from, 4)
	if err != nil {
		return err
	}
	if string(head) != "\x7fELF" {
		return host.CopyFile(from, to, 0o644)
	}
	_, err = host.Run(ctx, "", j.tools.prefix+"strip", "--strip-all", "-o", to, from)
	return err
}
