package kernels

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// A PatchFile is a patch of the lab that no series has.
type PatchFile struct {
	Name string // without a directory
	Text []byte
}

// FindingPatch returns the patches that a finding names: those of a directory
// history/NAME, which takes a fix out of the kernel, or the mutant mutants/NAME.patch.
func FindingPatch(name string) ([]PatchFile, error) {
	if mutant, ok := strings.CutPrefix(name, "mutants/"); ok {
		text, err := mutantFiles.ReadFile("mutants/" + mutant)
		return []PatchFile{{path.Base(mutant), text}}, err
	}
	if !strings.HasPrefix(name, "history/") || !fs.ValidPath(name) {
		return nil, fmt.Errorf("neither history/NAME nor mutants/NAME.patch")
	}
	dir := "patches/" + name
	entries, err := embedded.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []PatchFile
	for _, e := range entries {
		if path.Ext(e.Name()) != ".patch" {
			continue
		}
		text, err := embedded.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, PatchFile{e.Name(), text})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no patch", dir)
	}
	return list, nil
}
