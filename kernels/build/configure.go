package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// configure writes the .config: tinyconfig with the fragments on top, each line
// of which must still stand after olddefconfig. What has not changed since the
// last build of the tree is not done again: it is a third of what it takes to
// try out a patch.
func (j *job) configure(ctx context.Context, w *source.WorkTree, o *patchset.Overlay, log io.Writer) error {
	j.emit(progress.Event{Phase: progress.Configuring})
	if err := os.MkdirAll(w.Build(), 0o755); err != nil {
		return err
	}
	key := filepath.Join(w.Build(), labKeyFile)
	if old, err := os.ReadFile(key); err != nil || string(old) != string(j.lab.pem) {
		if err := renameio.WriteFile(key, j.lab.pem, 0o600); err != nil {
			return err
		}
	}
	file := filepath.Join(w.Build(), ".config")
	inputs := j.configInputs(o)
	if got, err := host.SumFile(file); err == nil && w.State.Config == (source.Configured{Inputs: inputs, Output: got}) {
		return nil
	}
	silent := func(string) {}
	if err := j.make(ctx, w, log, silent, "tinyconfig"); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	want := kconfig.Merge(j.Fragments, j.origin.Version)
	if err := os.WriteFile(file, kconfig.Append(text, want), 0o644); err != nil {
		return err
	}
	if err := j.make(ctx, w, log, silent, "olddefconfig"); err != nil {
		return err
	}
	got, err := kconfig.ReadFile(file)
	if err != nil {
		return err
	}
	tree := kconfig.Tree{FS: os.DirFS(w.Source()), Skip: []string{source.BuildDir}}
	tree.SrcArch = kconfig.SrcArch(tree.FS, j.Arch.Make)
	if err := kconfig.Check(got, want, tree); err != nil {
		return err
	}
	output, err := host.SumFile(file)
	w.State.Config = source.Configured{Inputs: inputs, Output: output} // saved with the rest, before make
	return err
}

// configInputs is a digest of all that a .config is made of.
func (j *job) configInputs(o *patchset.Overlay) string {
	h := sha256.New()
	fmt.Fprintln(h, recipe, j.origin.SHA256, j.tools.prefix, j.tools.compiler, j.tools.linker)
	for _, f := range j.Fragments {
		fmt.Fprintln(h, f.Name, host.Sum(f.Data))
	}
	for _, name := range o.Paths() {
		if strings.HasPrefix(path.Base(name), "Kconfig") || strings.HasPrefix(path.Base(name), "Makefile") ||
			strings.HasPrefix(name, "scripts/") || strings.HasSuffix(name, ".config") {
			f, _ := o.Read(name) // it is in memory
			fmt.Fprintln(h, name, f.Gone, host.Sum(f.Data))
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
