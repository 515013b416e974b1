package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/payload"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/source"
)

// moduleFiles are the files of a result that are made of modules.
var moduleFiles = []struct {
	name   string
	module string               // the built file, without .ko
	signer func(j *job) *labKey // nil: as built
}{
	{ModuleUnsigned, "ldlab_nop", nil},
	{ModuleSigned, "ldlab_nop", func(j *job) *labKey { return &j.lab }},
	{ModuleWrongKey, "ldlab_nop", func(j *job) *labKey { return &j.untrusted }},
	{MmiotraceSigned, "testmmiotrace", func(j *job) *labKey { return &j.lab }},
}

// targets are what make is to make: without modules in the configuration, what
// it takes to build them is left out.
func (j *job) targets(w *source.WorkTree) ([]string, error) {
	config, err := kconfig.ReadFile(filepath.Join(w.Build(), ".config"))
	if err != nil {
		return nil, err
	}
	targets := slices.Clone(j.Arch.Targets)
	if config.Modular() {
		return append(targets, "modules"), nil
	}
	// What is left of another configuration is not this kernel's.
	if err := os.Remove(modulesOrder(w)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return targets, nil
}

func modulesOrder(w *source.WorkTree) string { return filepath.Join(w.Build(), "modules.order") }

// modules lists the modules of the last build, relative to the build directory.
func modules(w *source.WorkTree) ([]string, error) {
	data, err := os.ReadFile(modulesOrder(w))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	return parseOrder(string(data)), nil
}

// parseOrder reads modules.order. foo.o is linked into foo.ko: the list has the first
// one, and before v6.3 the second one (scripts/Makefile.build, v6.1 and v6.12).
func parseOrder(text string) (list []string) {
	for line := range strings.Lines(text) {
		name := strings.TrimSuffix(strings.TrimSpace(line), ".ko")
		list = append(list, strings.TrimSuffix(name, ".o")+".ko")
	}
	return list
}

// payloads makes the files that probes load.
func (j *job) payloads(w *source.WorkTree) (map[string][]byte, error) {
	unsigned, signed, err := payload.Kexec(j.Arch, j.lab.key, j.lab.cert)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{KexecUnsigned: unsigned, KexecSigned: signed}
	built, err := modules(w)
	if err != nil {
		return nil, err
	}
	for _, f := range moduleFiles {
		i := slices.IndexFunc(built, func(m string) bool { return path.Base(m) == f.module+".ko" })
		if i < 0 {
			continue
		}
		data, err := os.ReadFile(filepath.Join(w.Build(), built[i]))
		if err == nil && f.signer != nil {
			k := f.signer(j)
			data, err = payload.SignModule(data, k.key, k.cert)
		}
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", f.name, err)
		}
		files[f.name] = data
	}
	return files, nil
}
