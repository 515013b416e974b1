package engine

import (
	"context"
	"fmt"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// A Packed is a kernel that another machine boots without building anything: it is a
// plain value and files.
type Packed struct {
	Kernel   kernels.Kernel
	Arch     string
	Identity kernels.Identity
	Record   matrix.Kernel
	Sites    lockdown.Sites // which the record has in part
	Files    PackedFiles
}

// PackedFiles are the files of a kernel; empty: it has none.
type PackedFiles struct {
	Image, Initramfs    string
	Variables, Firmware string // of machines with firmware
	Tables              string
}

// Build is the kernel in a plan.
func (p Packed) Build() plan.Build {
	return plan.Build{Kernel: p.Kernel, Arch: arch.Get(p.Arch), Identity: p.Identity}
}

// Pack builds everything that a plan boots. The files stay in the cache until this
// process ends. Modules that a guest loads are in its initramfs.
func Pack(ctx context.Context, p *plan.Plan, o Options) (list []Packed, err error) {
	s := newStage(p, o)
	defer s.Close()
	if err := s.findCache(); err != nil {
		return nil, err
	}
	for _, build := range p.Builds {
		k, err := s.makeKernel(ctx, build)
		if err == nil {
			err = checkLSM(k)
		}
		if err != nil {
			return nil, interrupted(ctx, err)
		}
		list = append(list, Packed{build.Kernel, build.Arch.Name, build.Identity, k.record, k.sites,
			PackedFiles{k.image(), k.initrd, k.variables, build.Arch.FindFirmware(), k.tables}})
	}
	return list, nil
}

// packed is a kernel of Options.Packed.
func (s *Stage) packed(build plan.Build) (*kernel, error) {
	for _, p := range s.options.Packed {
		if p.Kernel.Name == build.Kernel.Name && p.Arch == build.Arch.Name {
			return &kernel{
				build: build, built: kernels.Built{Name: p.Kernel.Name, Arch: build.Arch, Interface: p.Kernel.Interface, Image: p.Files.Image},
				append: s.plan.Selection.Append, initrd: p.Files.Initramfs, variables: p.Files.Variables, firmware: p.Files.Firmware, tables: p.Files.Tables,
				sites: p.Sites, record: p.Record,
			}, nil
		}
	}
	return nil, fmt.Errorf("kernel %s %s is not in the bundle", build.Kernel.Name, build.Arch.Name)
}
