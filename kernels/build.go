package kernels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// build builds the kernel in the working tree of its source and architecture.
func (j *job) build(ctx context.Context) (Built, error) {
	name := j.origin.slot + "-" + j.spec.Arch.Name
	if j.spec.Kernel.Tree != "" {
		name += "-" + fit(j.spec.Kernel.Tree)
	}
	dir := filepath.Join(j.Cache, "trees", name)
	unlock, err := j.lock(ctx, dir, j.emit)
	if err != nil {
		return Built{}, err
	}
	defer unlock()
	if built, ok := j.cached(); ok { // built while we waited
		return built, nil
	}
	o := newOverlay(j.origin.root)
	for _, s := range j.series {
		if err := o.apply(s); err != nil {
			return Built{}, err
		}
	}
	w, err := j.openTree(ctx, dir)
	if err == nil {
		err = j.sync(w, o)
	}
	if err != nil {
		return Built{}, fmt.Errorf("prepare tree: %w", err)
	}
	if err := j.compile(ctx, w, o); err != nil {
		var failed *MakeError
		if errors.As(err, &failed) {
			return Built{}, err
		}
		return Built{}, fmt.Errorf("build kernel %s for %s: %w", j.spec.Kernel.Name, j.spec.Arch.Name, err)
	}
	j.emit(Event{Phase: Storing})
	if err := j.store(ctx, w, o); err != nil {
		return Built{}, fmt.Errorf("store kernel %s for %s: %w", j.spec.Kernel.Name, j.spec.Arch.Name, err)
	}
	built, err := openEntry(j.entry(), j.spec.Arch)
	if err != nil {
		return Built{}, fmt.Errorf("store kernel: %w", err)
	}
	return built, nil
}

// compile configures and makes.
func (j *job) compile(ctx context.Context, w *workTree, o *overlay) error {
	log, err := os.Create(w.log())
	if err != nil {
		return err
	}
	defer log.Close()
	temperature := "warm"
	if _, err := os.Stat(filepath.Join(w.build(), path.Clean(j.spec.Arch.Image))); err != nil {
		temperature = "cold"
	}
	if err := j.configure(ctx, w, o, log); err != nil {
		return err
	}
	total := w.state.Steps[temperature]
	if total == 0 && temperature == "cold" {
		total = j.base.Steps[j.spec.Arch.Name]
	}
	w.state.Building = true
	if err := w.save(); err != nil {
		return err
	}
	m := j.meter(Building, int64(total))
	steps := 0
	targets, err := j.targets(w)
	if err != nil {
		return err
	}
	err = j.make(ctx, w, log, func(what string) { steps++; m.set(int64(steps), what) }, targets...)
	var s *stopped
	if errors.As(err, &s) && !s.clean {
		return err // still marked as building
	}
	w.state.Building = false
	if err == nil {
		if w.state.Steps == nil {
			w.state.Steps = map[string]int{}
		}
		w.state.Steps[temperature] = steps
	}
	return errors.Join(err, w.save())
}

// store puts the result into the cache, all of it or nothing.
func (j *job) store(ctx context.Context, w *workTree, o *overlay) error {
	fresh := filepath.Join(w.dir, "result")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	image := filepath.Join(fresh, imageFile)
	if err := j.strip(ctx, filepath.Join(w.build(), j.spec.Arch.Image), image); err != nil {
		return err
	}
	if err := checkImage(image, j.spec.Arch); err != nil {
		return err
	}
	for from, to := range map[string]string{
		filepath.Join(w.build(), ".config"):    configFile,
		filepath.Join(w.build(), "System.map"): "System.map",
		w.log():                                "build.log",
	} {
		if err := copyFile(from, filepath.Join(fresh, to), 0o644); err != nil {
			return err
		}
	}
	files, err := j.payloads(w)
	if err != nil {
		return err
	}
	modules, err := w.modules()
	if err != nil {
		return err
	}
	if files[sitesFile], err = j.sites(ctx, w, o, modules); err != nil {
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
	head, err := readHead(from, 4)
	if err != nil {
		return err
	}
	if string(head) != "\x7fELF" {
		return copyFile(from, to, 0o644)
	}
	_, err = run(ctx, "", j.tools.prefix+"strip", "--strip-all", "-o", to, from)
	return err
}
