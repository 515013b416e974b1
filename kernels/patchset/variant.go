package patchset

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A variantRow is a [[variant]] of series.toml: on some versions, another file
// takes the place of a patch.
type variantRow struct {
	Patch    string `toml:"patch"`    // the file that is replaced
	Versions string `toml:"versions"` // where; see ParseVersions
	File     string `toml:"file"`     // what replaces it, in a directory below; empty: nothing, the patch is left out
}

// A variant is what takes the place of a patch on some versions.
type variant struct {
	versions Versions
	patch    *Patch // nil: the patch is left out
}

// At is the series as it is for a kernel version: each patch in its first
// variant that is for the version, or as it is if there is none.
func (s Series) At(version string) Series {
	at := s
	at.Patches, at.variants = nil, nil
	for _, p := range s.Patches {
		if v := pick(s.variants[p.Name], version); v < 0 {
			at.Patches = append(at.Patches, p)
		} else if replaced := s.variants[p.Name][v].patch; replaced != nil {
			at.Patches = append(at.Patches, *replaced)
		}
	}
	return at
}

// Varies reports whether the patches depend on the version of the kernel.
func (s Series) Varies() bool { return len(s.variants) > 0 }

// pick is the index of the first variant that is for the version; -1 if none is.
func pick(list []variant, version string) int {
	return slices.IndexFunc(list, func(v variant) bool { return v.versions.Has(version) })
}

// readVariants reads the files that the rows name. Each row must be used on
// some version, each patch too, and no file may be left over. left is how many
// bytes may be read.
func (s *Series) readVariants(fsys fs.FS, rows []variantRow, left int) error {
	for _, row := range rows {
		if !slices.ContainsFunc(s.Patches, func(p Patch) bool { return p.Name == row.Patch }) {
			return fmt.Errorf("variant of %q: the series has no such patch", row.Patch)
		}
		v, err := readVariant(fsys, row, &left)
		if err != nil {
			return fmt.Errorf("variant of %s: %w", row.Patch, err)
		}
		if s.variants == nil {
			s.variants = map[string][]variant{}
		}
		s.variants[row.Patch] = append(s.variants[row.Patch], v)
	}
	for _, p := range s.Patches {
		if err := s.checkUsed(p); err != nil {
			return err
		}
	}
	return checkLeftOver(fsys, rows)
}

func readVariant(fsys fs.FS, row variantRow, left *int) (v variant, err error) {
	if strings.TrimSpace(row.Versions) == "" {
		return v, errors.New("it has no versions")
	}
	if v.versions, err = ParseVersions(row.Versions); err != nil || row.File == "" {
		return v, err
	}
	if !strings.HasSuffix(row.File, ".patch") || path.Dir(row.File) == "." || !fs.ValidPath(row.File) {
		return v, fmt.Errorf("%q is not a *.patch file in a directory below", row.File)
	}
	data, err := readLimited(fsys, row.File, *left)
	if err != nil {
		return v, err
	}
	*left -= len(data)
	all, err := Reader{}.parse(row.File, data)
	if err != nil {
		return v, err
	}
	patches, _, err := Reader{}.arrange(all, true)
	if err == nil && len(patches) != 1 {
		err = fmt.Errorf("%s has %d patches, not one", row.File, len(patches))
	}
	if err != nil {
		return v, err
	}
	v.patch = &patches[0]
	return v, nil
}

// checkUsed reports a variant that is for no version of the series, or for those
// of earlier variants only, and a patch that its variants leave no version.
func (s *Series) checkUsed(p Patch) error {
	list := s.variants[p.Name]
	used := map[int]bool{}
	sets := []Versions{s.Versions}
	for _, v := range list {
		sets = append(sets, v.versions)
	}
	for _, version := range samples(sets) {
		if s.Versions.has(version) {
			used[slices.IndexFunc(list, func(v variant) bool { return v.versions.has(version) })] = true
		}
	}
	for i, v := range list {
		if !used[i] {
			return fmt.Errorf("variant of %s for %s is never used: earlier variants, or the versions of the series, leave it no version", p.Name, v.versions)
		}
	}
	if !used[-1] && len(list) > 0 {
		return fmt.Errorf("%s is never used: its variants leave it no version", p.Name)
	}
	return nil
}

// checkLeftOver reports a patch below the directory that no variant names.
func checkLeftOver(fsys fs.FS, rows []variantRow) error {
	n := 0
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if n++; n > maxFiles && err == nil {
			err = ErrTooLarge
		}
		if err != nil || path.Dir(name) == "." || d.IsDir() || !strings.HasSuffix(name, ".patch") {
			return err
		}
		if !slices.ContainsFunc(rows, func(r variantRow) bool { return r.File == name }) {
			return fmt.Errorf("%s is never used: no variant names it", name)
		}
		return nil
	})
}
