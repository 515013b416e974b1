package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// A bootable is a kernel with the root file system that goes with it.
type bootable struct {
	build  Build
	built  kernels.Built
	initrd string
	accel  vm.Accel
	host   matrix.Host // on which its guests run
	origin matrix.Origin
	config map[string]bool

	sites lockdown.Sites    // where the kernel asks lockdown; empty where that is not known
	calls map[string]string // file:function by the kernel's name of a site

	templates map[string]*template // by kind of machine
}

// machine is a bootable as QEMU is to start it for a setting.
func (b *bootable) machine(s lockdown.Setting, console io.Writer) vm.Config {
	scale := 1.0
	if b.accel != vm.KVM {
		scale = b.build.Arch.Scale
	}
	return vm.Config{
		Arch: b.build.Arch, Kernel: b.built.Image, Initrd: b.initrd,
		Append: append(s.KernelArgs(), probeArgs...), Devices: probeDevices,
		Accel: b.accel, Scale: scale, Console: console,
	}
}

// current reports whether an earlier result is of what would be booted now,
// and came to its end.
func (r *run) current(res matrix.Result) bool {
	b := r.booted[res.Kernel+"/"+res.Arch]
	return b != nil && res.End.Well() && res.Host.Same(b.host) &&
		res.Origin.ImageSHA256 == b.origin.ImageSHA256 && res.Origin.GuestSHA256 == b.origin.GuestSHA256
}

// prepare builds everything that the plan boots, and chooses how to boot it.
func (r *run) prepare(ctx context.Context) ([]matrix.Host, error) {
	if err := r.findCache(); err != nil {
		return nil, err
	}
	if err := vm.Sweep(vm.DefaultDir()); err != nil {
		r.note("%v", err)
	}
	machines := map[*arch.Arch]matrix.Host{}
	var order []matrix.Host
	for _, build := range r.plan.Builds {
		b, err := r.makeBootable(ctx, build)
		if err != nil {
			return nil, err
		}
		r.booted[build.Kernel.Name+"/"+build.Arch.Name] = b
		machine, known := machines[build.Arch]
		if !known {
			if machine, err = r.chooseMachine(ctx, b); err != nil {
				return nil, err
			}
			machines[build.Arch] = machine
			order = append(order, machine)
		}
		b.accel, b.host = vm.Accel(machine.Accel), machine
	}
	return order, nil
}

// An Image is a kernel that was built.
type Image struct {
	Kernel, Arch string
	Path         string
}

// Build builds everything that a plan boots and boots nothing.
func (p *Plan) Build(ctx context.Context, o Options) ([]Image, error) {
	r := newRun(p, o)
	if err := r.findCache(); err != nil {
		return nil, err
	}
	var images []Image
	for _, build := range p.Builds {
		b, err := r.makeBootable(ctx, build)
		if err != nil {
			return nil, interrupted(ctx, err)
		}
		images = append(images, Image{build.Kernel.Name, build.Arch.Name, b.built.Image})
	}
	return images, nil
}

func (r *run) findCache() (err error) {
	if r.Cache == "" {
		r.Cache, err = kernels.DefaultCache()
	}
	return err
}

func (r *run) makeBootable(ctx context.Context, build Build) (*bootable, error) {
	b := &bootable{build: build, templates: map[string]*template{}}
	var err error
	if b.built, err = r.kernel(ctx, build); err != nil {
		return nil, err
	}
	image, err := r.initramfs(ctx, b)
	if err != nil {
		return nil, err
	}
	if b.sites, err = b.built.Sites(); err != nil {
		return nil, err
	}
	if len(b.sites.Present) == 0 {
		r.note("%s %s does not count its checks (the lab series does): denials are attributed by its log, which prints 10 lines in 5 s", build.Kernel.Name, build.Arch.Name)
	}
	b.calls = map[string]string{}
	for _, s := range b.sites.Present {
		b.calls[s.Name] = s.Where()
	}
	b.initrd = image.Path
	b.origin = origin(b.built, image)
	if b.built.Config != "" {
		b.config = map[string]bool{}
		for _, row := range scenarios.Rows() {
			for _, symbol := range row.Needs {
				b.config[symbol] = b.built.HasConfig(symbol)
			}
		}
	}
	return b, nil
}

func (r *run) kernel(ctx context.Context, build Build) (kernels.Built, error) {
	if sel := r.plan.Selection; sel.Image != "" {
		return kernels.OpenImage(sel.Image, build.Arch, sel.Config)
	}
	in, err := kernels.Resolve(kernels.Inputs{Series: r.plan.Selection.Series})
	if err != nil {
		return kernels.Built{}, err
	}
	b := &kernels.Builder{Cache: r.Cache, Events: func(e kernels.Event) { r.Event(Event{Build: &e}) }}
	return b.Build(ctx, kernels.Spec{Kernel: build.Kernel, Arch: build.Arch, Source: r.plan.Source, Series: in.Series})
}

// initramfs builds a bootable's root file system, or finds it in the cache.
func (r *run) initramfs(ctx context.Context, b *bootable) (initramfs.Image, error) {
	return initramfs.Build(ctx, initramfs.Config{
		Arch: b.build.Arch, Cache: r.Cache, Shell: r.shell, NoBPF: !r.shell && !needBPF(r.plan.Probes), Files: payloads(b.built),
		Content:  map[string][]byte{"/" + scenarios.InitrdTable: scenarios.SSDT()},
		Progress: func(text string) { r.note("%s", text) },
	})
}

// needBPF reports whether one of the probes loads a BPF program.
func needBPF(probes []string) bool {
	return slices.ContainsFunc(probes, func(id string) bool {
		row, ok := scenarios.Find(id)
		return ok && slices.Contains(row.Needs, "CONFIG_BPF_SYSCALL")
	})
}

// records are what the header of the results has of the plan's kernels.
func (r *run) records() (list []matrix.Kernel) {
	for _, build := range r.plan.Builds {
		if b := r.booted[build.Kernel.Name+"/"+build.Arch.Name]; b != nil {
			list = append(list, b.record())
		}
	}
	return list
}

func (b *bootable) record() matrix.Kernel {
	return matrix.Kernel{Name: b.build.Kernel.Name, Arch: b.build.Arch.Name, Origin: b.origin, Config: b.config, Calls: b.calls}
}

// payloads are the files that probes look for in the guest.
func payloads(b kernels.Built) map[string]string {
	files := map[string]string{}
	for _, path := range scenarios.Payloads() {
		if file, ok := b.Files[filepath.Base(path)]; ok {
			files[path] = file
		}
	}
	return files
}

func origin(b kernels.Built, image initramfs.Image) matrix.Origin {
	p := b.Provenance
	o := matrix.Origin{
		Base: p.Base, BaseVersion: p.BaseVersion, BaseSHA256: p.BaseSHA256,
		Compiler: p.Compiler, ImageSHA256: p.ImageSHA256, GuestSHA256: image.SHA256,
	}
	for _, s := range p.Series {
		sum := sha256.New()
		for _, patch := range s.Patches {
			fmt.Fprintln(sum, patch.SHA256)
		}
		o.Series = append(o.Series, fmt.Sprintf("%s (%d patches, sha256 %.6x)", s.Name, len(s.Patches), sum.Sum(nil)))
	}
	return o
}

// chooseMachine says how guests of an architecture are run, and why.
func (r *run) chooseMachine(ctx context.Context, b *bootable) (matrix.Host, error) {
	a := b.build.Arch
	m := matrix.Host{Arch: a.Name}
	qemu, err := exec.LookPath(a.QEMU)
	if err != nil {
		return m, fmt.Errorf("find %s: install the Debian package %s", a.QEMU, a.QEMUPackage)
	}
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return m, fmt.Errorf("run %s --version: %w", a.QEMU, err)
	}
	m.QEMU, _, _ = strings.Cut(string(out), "\n")
	switch {
	case r.Accel == string(vm.KVM) && !a.Native():
		m.Accel, m.Why = string(vm.TCG), "KVM runs the host's own architecture only"
	case r.Accel != "":
		m.Accel, m.Why = r.Accel, "asked for"
	default:
		choice, err := vm.SelfTest(ctx, b.machine(lockdown.Setting{}, nil), r.selfTestCache(a))
		if err != nil {
			return m, err
		}
		m.Accel, m.Why = string(choice.Accel), choice.Why
	}
	if m.CPU = a.CPUTCG; m.Accel == string(vm.KVM) {
		m.CPU = a.CPUKVM
	}
	return m, nil
}

// selfTestCache is where the self-test keeps its verdict. A ready image may be
// broken, and that must not be held against KVM in later runs: what is learnt
// with it stays with its results.
func (r *run) selfTestCache(a *arch.Arch) string {
	if r.plan.Selection.Image == "" || r.Out == "" {
		return r.Cache
	}
	if known, err := filepath.Glob(filepath.Join(r.Cache, "kvm-"+a.Name+".json")); err == nil && len(known) > 0 {
		return r.Cache
	}
	return r.Out
}

// imageArch says for which architecture a ready image is.
func imageArch(path string) (*arch.Arch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	defer f.Close()
	head := make([]byte, arch.HeadSize)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read image %s: %w", path, err)
	}
	for _, a := range arch.All() {
		if a.CheckImage(head[:n]) == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("image %s is for none of %s", path, strings.Join(arch.Names(), ", "))
}
