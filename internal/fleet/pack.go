package fleet

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/bundle"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
)

// Members of a bundle. Others are named by what they are and by their digest, so that
// kernels share them.
const (
	programMember = "ldlab"
	kernelsMember = "kernels.json"
)

// A Packed is what a bundle has.
type Packed struct {
	File    *File
	Kernels []engine.Packed
}

// Pack writes a bundle to the file out and returns its size in bytes. program is the
// static ldlab in it; empty: the one that runs.
func Pack(out string, f *File, packed []engine.Packed, program string) (size int64, err error) {
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return 0, fmt.Errorf("find this program: %w", err)
		}
	}
	if err := checkStatic(program); err != nil {
		return 0, err
	}
	members, err := membersOf(f, packed, program)
	if err != nil {
		return 0, err
	}
	to, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o644))
	if err != nil {
		return 0, fmt.Errorf("write bundle: %w", err)
	}
	defer to.Cleanup()
	if _, err := bundle.Write(to, members); err != nil {
		return 0, err
	}
	info, err := to.Stat()
	if err == nil {
		err = to.CloseAtomicallyReplace()
	}
	if err != nil {
		return 0, fmt.Errorf("write bundle: %w", err)
	}
	return info.Size(), nil
}

func membersOf(f *File, packed []engine.Packed, program string) ([]bundle.Member, error) {
	text, err := f.Encode()
	if err != nil {
		return nil, err
	}
	packed = slices.Clone(packed)
	members := []bundle.Member{{Name: programMember, Path: program, Program: true}, {Name: PlanFile, Content: text}}
	var files []bundle.Member
	for i := range packed {
		for what, path := range fields(&packed[i].Files) {
			if _, err := os.Stat(*path); what == "firmware" && errors.Is(err, os.ErrNotExist) {
				*path = "" // not installed here: the worker's own is used
			}
			if *path == "" {
				continue
			}
			sum, _, err := cache.SumFile(*path)
			if err != nil {
				return nil, fmt.Errorf("pack kernel %s: %w", packed[i].Kernel.Name, err)
			}
			name := fmt.Sprintf("%s-%.16s", what, sum)
			if !slices.ContainsFunc(files, func(m bundle.Member) bool { return m.Name == name }) {
				files = append(files, bundle.Member{Name: name, Path: *path})
			}
			*path = name
		}
	}
	slices.SortFunc(files, func(a, b bundle.Member) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	if text, err = json.MarshalIndent(packed, "", "\t"); err != nil {
		return nil, fmt.Errorf("pack kernels: %w", err)
	}
	return append(append(members, bundle.Member{Name: kernelsMember, Content: text}), files...), nil
}

// fields are the files of a kernel by what they are.
func fields(f *engine.PackedFiles) map[string]*string {
	return map[string]*string{
		"image": &f.Image, "initramfs": &f.Initramfs, "variables": &f.Variables, "firmware": &f.Firmware, "tables": &f.Tables,
	}
}

// checkStatic reports why a program does not run on any machine of its architecture.
func checkStatic(program string) error {
	e, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("pack program: %w", err)
	}
	defer e.Close()
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("pack program: %s is not static: build it with CGO_ENABLED=0, or give one with --program", program)
		}
	}
	return nil
}

// Unpack unpacks a bundle into the cache, once, and reads it. It stays there until
// this process ends. note gets lines for the user.
func Unpack(ctx context.Context, path string, note func(string)) (*Packed, error) {
	digest, err := digestOf(path)
	if err != nil {
		return nil, err
	}
	c, err := cache.Open("", note)
	if err != nil {
		return nil, err
	}
	lease, _, err := c.Get(ctx, cache.Recipe{
		ID:    cache.ID{Kind: cache.Bundles, Name: digest[:32]},
		Check: func(dir string) error { _, err := cache.CheckSums(dir, PlanFile, kernelsMember); return err },
		Make:  func(_ context.Context, dir string) error { return extract(path, digest, dir) },
	})
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	lease.Hold()
	p := &Packed{}
	if p.File, err = Load(filepath.Join(lease.Path, PlanFile)); err == nil {
		p.Kernels, err = readKernels(lease.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return p, nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open bundle: %w", err)
	}
	defer f.Close()
	r, err := bundle.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer r.Close()
	return r.Digest, nil
}

func extract(path, digest, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := bundle.NewReader(f)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Digest != digest {
		return errors.New("the bundle has changed")
	}
	return r.Extract(dir)
}

// readKernels reads the kernels of a bundle that was unpacked.
func readKernels(dir string) (list []engine.Packed, err error) {
	f, err := os.Open(filepath.Join(dir, kernelsMember))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&list)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kernelsMember, err)
	}
	for i := range list {
		if arch.Get(list[i].Arch) == nil {
			return nil, fmt.Errorf("read %s: unknown architecture %.80q", kernelsMember, list[i].Arch)
		}
		for _, name := range fields(&list[i].Files) {
			if *name != "" && filepath.Base(*name) != *name {
				return nil, fmt.Errorf("read %s: bad file %.80q", kernelsMember, *name)
			}
			if *name != "" {
				*name = filepath.Join(dir, *name)
			}
		}
	}
	return list, nil
}

// Plan is the plan in the bundle: nothing is looked up for it.
func (p *Packed) Plan() *plan.Plan {
	whole := &plan.Plan{Selection: p.File.Selection, Probes: p.File.Probes}
	for _, k := range p.Kernels {
		whole.Builds = append(whole.Builds, k.Build())
	}
	for _, g := range p.File.Guests {
		whole.Guests = append(whole.Guests, g.Guest)
	}
	return whole
}
