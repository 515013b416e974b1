package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// build makes the result in a new directory: it builds the kernel in the
// working tree of its source and architecture.
func (j *job) build(ctx context.Context, fresh string) error {
	if err := checkRequirements(ctx, j.Arch); err != nil {
		return err
	}
	if err := j.needTree(ctx); err != nil {
		return err
	}
	o, err := j.patched(j.origin)
	if err != nil {
		return err
	}
	lease, err := j.store.Lock(ctx, j.treeID())
	if err != nil {
		return err
	}
	defer lease.Close()
	w, err := source.OpenTree(ctx, lease.Path, j.origin, j.emit)
	if err == nil {
		err = w.Sync(o)
	}
	if err != nil {
		return fmt.Errorf("prepare tree: %w", err)
	}
	if err := j.compile(ctx, w, o); err != nil {
		var failed *MakeError
		if errors.As(err, &failed) {
			return err
		}
		return fmt.Errorf("build kernel %s for %s: %w", j.Kernel, j.Arch.Name, err)
	}
	j.emit(progress.Event{Phase: progress.Storing})
	if err := j.collect(ctx, w, o, fresh); err != nil {
		return fmt.Errorf("store kernel %s for %s: %w", j.Kernel, j.Arch.Name, err)
	}
	return nil
}

// treeID names the working tree that the kernel is built in.
func (j *job) treeID() cache.ID {
	name := j.origin.Slot + "-" + j.Arch.Name
	if j.Tree != "" {
		name += "-" + host.Fit(j.Tree)
	}
	return cache.ID{Kind: cache.Trees, Name: name}
}

// needTree fetches a source again whose tree was removed from the cache. The
// error is errMoved if it has another content now.
func (j *job) needTree(ctx context.Context) error {
	if j.origin.Root != "" {
		return nil
	}
	o, err := j.sources(false).Get(ctx, j.Source)
	if err != nil {
		return err
	}
	if o.SHA256 != j.origin.SHA256 {
		o.Close()
		return errMoved
	}
	j.origin = o
	return nil
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

// collect copies what was built to the new directory of a result, makes the
// files that probes need, and sums all up.
func (j *job) collect(ctx context.Context, w *source.WorkTree, o *patchset.Overlay, fresh string) error {
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
	for _, f := range []struct{ from, to string }{
		{filepath.Join(w.Build(), ".config"), configFile},
		{filepath.Join(w.Build(), "System.map"), "System.map"},
		{w.Log(), "build.log"},
	} {
		if err := host.CopyFile(f.from, filepath.Join(fresh, f.to), 0o644); err != nil {
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
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(fresh, name), files[name], 0o644); err != nil {
			return err
		}
	}
	if err := j.writeProvenance(fresh); err != nil {
		return err
	}
	if err := cache.WriteSums(fresh); err != nil {
		return err
	}
	return j.check(fresh)
}

// writeProvenance keeps what the result is made of beside it, for people.
func (j *job) writeProvenance(fresh string) error {
	config, err := host.SumFile(filepath.Join(fresh, configFile))
	if err != nil {
		return err
	}
	image, err := host.SumFile(filepath.Join(fresh, imageFile))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(j.provenance(config, image), "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(fresh, provenanceFile), append(text, '\n'), 0o644)
}

// strip copies the image without its symbols. They are half of an ELF file, and
// are not needed because the kernel has kallsyms. Other formats have none.
func (j *job) strip(ctx context.Context, from, to string) error {
	head, err := host.ReadHead(from, 4)
	if err != nil {
		return err
	}
	if string(head) != "\x7fELF" {
		return host.CopyFile(from, to, 0o644)
	}
	return proc.Run(ctx, proc.Command{Argv: []string{j.tools.prefix + "strip", "--strip-all", "-o", to, from}})
}
