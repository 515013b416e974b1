package kernels

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
)

// configure writes the .config: tinyconfig with the fragments on top, each line
// of which must still stand after olddefconfig. What has not changed since the
// last build of the tree is not done again: it is a third of what it takes to
// try out a patch.
func (j *job) configure(ctx context.Context, w *workTree, o *overlay, log io.Writer) error {
	j.emit(Event{Phase: Configuring})
	if err := os.MkdirAll(w.build(), 0o755); err != nil {
		return err
	}
	key := filepath.Join(w.build(), labKeyFile)
	if old, err := os.ReadFile(key); err != nil || string(old) != string(j.lab.pem) {
		if err := renameio.WriteFile(key, j.lab.pem, 0o600); err != nil {
			return err
		}
	}
	file := filepath.Join(w.build(), ".config")
	inputs := j.configInputs(o)
	if got, err := sumFile(file); err == nil && w.state.Config == (configured{inputs, got}) {
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
	want := merged(j.frags)
	if err := os.WriteFile(file, appendOptions(text, want), 0o644); err != nil {
		return err
	}
	if err := j.make(ctx, w, log, silent, "olddefconfig"); err != nil {
		return err
	}
	got, err := readConfig(file)
	if err != nil {
		return err
	}
	if err := checkConfig(got, want, w.source(), srcArch(w.source(), j.spec.Arch.Make)); err != nil {
		return err
	}
	output, err := sumFile(file)
	w.state.Config = configured{inputs, output} // saved with the rest, before make
	return err
}

// configInputs is a digest of all that a .config is made of.
func (j *job) configInputs(o *overlay) string {
	h := sha256.New()
	fmt.Fprintln(h, recipe, j.origin.SHA256, j.tools.prefix, j.tools.compiler, j.tools.linker)
	for _, f := range j.frags {
		fmt.Fprintln(h, f.name, sum(f.data))
	}
	for _, name := range o.paths() {
		if strings.HasPrefix(path.Base(name), "Kconfig") || strings.HasPrefix(path.Base(name), "Makefile") ||
			strings.HasPrefix(name, "scripts/") || strings.HasSuffix(name, ".config") {
			fmt.Fprintln(h, name, o.files[name].gone, sum(o.files[name].data))
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// srcArch is the directory under arch/ that an ARCH= is built from: the
// longest that it starts with (x86 for x86_64).
func srcArch(tree, make string) string {
	best := ""
	dirs, _ := os.ReadDir(filepath.Join(tree, "arch"))
	for _, d := range dirs {
		if strings.HasPrefix(make, d.Name()) && len(d.Name()) > len(best) {
			best = d.Name()
		}
	}
	return best
}
