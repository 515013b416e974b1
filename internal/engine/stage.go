package engine

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/engine/event"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// A Stage is a plan that is ready to run: its kernels are built, and their
// hosts are chosen. Its methods may be called from several goroutines.
type Stage struct {
	options Options
	plan    *plan.Plan
	shell   bool // guests get SSH, a shell and its commands
	feed    *event.Feed
	kernels map[key]*kernel

	mu        sync.Mutex
	templates map[templateKey]*sharedTemplate

	boots map[string]bool // QEMU cannot fork guests of the architecture; set before guests run

	// Functions that need QEMU; tests replace them.
	checkForks   func(ctx context.Context, c vm.Config, cacheDir string) error
	makeTemplate func(context.Context, *kernel, part, vm.Config) *template.Template
	ownTemplate  func(context.Context, vm.Config) (*template.Template, error)
	runMachine   func(ctx, talking context.Context, k *kernel, j job, p part) (matrix.MachineRun, matrix.End)
}

// A key names a kernel of a plan.
type key struct{ kernel, arch string }

func keyOf(b plan.Build) key               { return key{b.Kernel.Name, b.Arch.Name} }
func keyOfGuest(g matrix.Guest) key        { return key{g.Kernel, g.Arch} }
func (k key) String() string               { return k.kernel + " " + k.arch }
func (s *Stage) of(g matrix.Guest) *kernel { return s.kernels[keyOfGuest(g)] }

// A kernel is a bootable kernel with its root file system.
type kernel struct {
	build  plan.Build
	built  kernels.Built
	initrd string

	unwrapped string            // file of a kernel that was taken out of a ready image; empty: QEMU boots that itself
	append    string            // kernel arguments after those of the lab
	modules   map[string][]byte // files of the guest with the modules that it loads; see Stage.modules
	variables string            // file of the EFI variables; empty: the architecture has no firmware of its own
	firmware  string            // file of the firmware; empty: the host's
	tables    string            // file of ACPI tables that are not the firmware's

	host   matrix.Host    // on which its guests run
	sites  lockdown.Sites // its call sites; empty if unknown
	record matrix.Kernel  // its record in the results
}

// counts reports whether the kernel counts its checks (the lab series). Only then is it
// known where its call sites are in the source; the machine code of other kernels the
// lab built has the calls alone.
func (k *kernel) counts() bool {
	return slices.ContainsFunc(k.sites.Present, func(s lockdown.Site) bool { return s.File != "" })
}

// scale is the factor by which guests are slower here than on the machine for
// which timeouts were chosen. It depends on the accelerator and on the host's
// pace, which slow boots raise.
func (k *kernel) scale() float64 {
	c := vm.Config{Arch: k.build.Arch, Accel: vm.Accel(k.host.Accel)}
	return c.NominalScale() * pace.Host().Factor()
}

// newStage returns a stage without built kernels. The caller closes it.
func newStage(p *plan.Plan, o Options) *Stage {
	read := o.Event
	if read == nil {
		read = func(Event) {}
	}
	s := &Stage{options: o, plan: p, feed: event.New(read), kernels: map[key]*kernel{}, templates: map[templateKey]*sharedTemplate{}, boots: map[string]bool{}}
	s.checkForks, s.makeTemplate, s.runMachine = template.Check, s.template, s.machine
	s.ownTemplate = func(ctx context.Context, config vm.Config) (*template.Template, error) {
		return template.Make(ctx, config, "", nil) // not cached, because only this guest uses it
	}
	for _, series := range p.Inputs.Series {
		for _, n := range series.Notes {
			s.note("series %s: %s", series.Name, n)
		}
	}
	return s
}

// NewStage builds what the plan boots and chooses the hosts. The caller closes
// the stage.
func NewStage(ctx context.Context, p *plan.Plan, o Options) (*Stage, error) {
	s := newStage(p, o)
	if err := s.prepare(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the templates and waits until the reader of events has received
// them.
func (s *Stage) Close() {
	s.closeTemplates()
	if n := s.feed.Dropped(); n > 0 {
		s.note("%d bytes of console output were not shown, because the terminal was too slow", n)
	}
	s.feed.Close()
}

func (s *Stage) note(format string, args ...any) {
	s.feed.Emit(Event{Note: fmt.Sprintf(format, args...)})
}

// prepare builds everything that the plan boots, and chooses the hosts.
func (s *Stage) prepare(ctx context.Context) error {
	if err := s.preflight(); err != nil {
		return err
	}
	if err := vm.Sweep(ctx, vm.DefaultDir()); err != nil {
		s.note("%v", err)
	}
	hosts := map[*arch.Arch]matrix.Host{}
	for _, build := range s.plan.Builds {
		k, err := s.makeKernel(ctx, build)
		if err == nil && !s.shell {
			err = checkLSM(k)
		}
		if err != nil {
			return interrupted(ctx, err)
		}
		host, known := hosts[build.Arch]
		if !known {
			if host, err = s.chooseHost(ctx, k); err != nil {
				return interrupted(ctx, err)
			}
			hosts[build.Arch] = host
			s.note("%s", words.Machines([]matrix.Host{host}))
		}
		k.host = host
		s.kernels[keyOf(build)] = k
		if err := s.chooseForks(ctx, k); err != nil {
			return interrupted(ctx, err)
		}
	}
	return nil
}

// preflight checks, before anything is built, what would fail after the build.
func (s *Stage) preflight() (err error) {
	for _, b := range s.plan.Builds {
		if _, err := exec.LookPath(b.Arch.QEMU); err != nil {
			return fmt.Errorf("find %s: install the Debian package %s", b.Arch.QEMU, b.Arch.QEMUPackage)
		}
	}
	return s.findCache()
}

func (s *Stage) findCache() (err error) {
	if s.options.Cache == "" {
		s.options.Cache, err = kernels.DefaultCache()
	}
	return err
}

// An Image is a built kernel.
type Image struct {
	Kernel, Arch string
	Path         string
}

// Build builds everything that a plan boots, and boots nothing. If it fails, it
// still returns what it built.
func Build(ctx context.Context, p *plan.Plan, o Options) ([]Image, error) {
	s := newStage(p, o)
	defer s.Close()
	if err := s.findCache(); err != nil {
		return nil, err
	}
	var images []Image
	for _, build := range p.Builds {
		k, err := s.makeKernel(ctx, build)
		if err != nil {
			return images, interrupted(ctx, err)
		}
		images = append(images, Image{build.Kernel.Name, build.Arch.Name, k.built.Image})
	}
	return images, nil
}

// makeKernel makes a kernel bootable; its host is not yet known.
func (s *Stage) makeKernel(ctx context.Context, build plan.Build) (*kernel, error) {
	if s.options.Packed != nil {
		return s.packed(build)
	}
	k := &kernel{build: build, append: s.plan.Selection.Append}
	var err error
	if k.built, err = s.buildKernel(ctx, build); err != nil {
		return nil, err
	}
	if err := s.unwrap(ctx, k); err != nil {
		return nil, err
	}
	if k.build.Arch.VariablesAt != 0 {
		if k.variables, err = s.variables(ctx); err != nil {
			return nil, err
		}
	}
	if k.tables, err = s.tables(ctx); err != nil {
		return nil, err
	}
	loaded, err := s.modules(ctx, k)
	if err != nil {
		return nil, err
	}
	k.modules = loaded.files
	image, err := s.initramfs(ctx, k)
	if err != nil {
		return nil, err
	}
	if k.sites, err = k.built.Sites(); err != nil {
		return nil, err
	}
	if !k.counts() {
		s.note("%s does not count its checks, because it lacks the lab series: denials are attributed by its log, which prints 10 lines in 5 s", keyOf(build))
	}
	k.initrd = image.Path
	if err := k.checkMemory(); err != nil {
		return nil, err
	}
	if k.sites.Reasons == nil {
		s.note("%s: which reasons it has is not known, so the lab's table stands for it%s", keyOf(build), howKnown(k.built))
	}
	k.record = matrix.Kernel{Name: build.Kernel.Name, Arch: build.Arch.Name, Origin: origin(k.built, image), Config: configOf(k.built, loaded.symbols), Calls: map[string]string{}, Asks: map[string]lockdown.Reason{}, Reasons: k.sites.Reasons}
	for _, site := range k.sites.Present {
		if site.File == "" { // without the lab's series, the machine code does not say where its calls are in the source
			continue
		}
		k.record.Calls[site.Name] = site.Where()
		if site.Reason != "" {
			k.record.Asks[site.Name] = site.Reason
		}
	}
	return k, nil
}

// unwrap puts a kernel that was taken out of a ready image into a file that QEMU
// boots.
func (s *Stage) unwrap(ctx context.Context, k *kernel) (err error) {
	if k.built.Unwrapped == "" {
		return nil
	}
	if k.unwrapped, err = s.keep(ctx, cache.Images, "kernel-%x.image", k.built.Kernel); err != nil {
		return fmt.Errorf("store kernel of %s: %w", k.built.Image, err)
	}
	s.note("%s: the kernel in its %s is booted; the sha256 in the results is that of the file as given", k.built.Image, k.built.Unwrapped)
	return nil
}

// image is the file that QEMU boots.
func (k *kernel) image() string {
	if k.unwrapped != "" {
		return k.unwrapped
	}
	return k.built.Image
}

// howKnown is how the reasons of a ready image could be known.
func howKnown(b kernels.Built) string {
	if b.Provenance.Key != "" {
		return ""
	}
	return "; an image that the lab can decompress, or --sites, shows them"
}

// configOf returns the values of the configuration symbols that rows depend on;
// nil if the configuration is not known. What the guest loads as a module counts as
// built in.
func configOf(b kernels.Built, loaded map[string]bool) matrix.Config {
	if _, known := b.ConfigValue(lockdownSymbol); !known {
		return nil
	}
	config := matrix.Config{}
	for _, row := range scenarios.Rows() {
		for _, symbol := range row.Symbols() {
			if config[symbol], _ = b.ConfigValue(symbol); loaded[symbol] {
				config[symbol] = "y"
			}
		}
	}
	return config
}

func (s *Stage) buildKernel(ctx context.Context, build plan.Build) (kernels.Built, error) {
	if i := s.plan.Inputs.Image; i != nil {
		return kernels.OfImage(*i), nil
	}
	b := &kernels.Builder{Cache: s.options.Cache, Events: func(e kernels.Event) { s.feed.Emit(Event{Build: &e}) }}
	return b.Build(ctx, s.plan.Spec(build))
}

// initramfs returns a kernel's root file system, built or from the cache.
func (s *Stage) initramfs(ctx context.Context, k *kernel) (initramfs.Image, error) {
	return initramfs.Build(ctx, initramfs.Config{
		Arch: k.build.Arch, Cache: s.options.Cache, Shell: s.shell, NoBPF: !s.shell && !needBPF(s.plan.Probes), Files: payloads(k.built),
		Content:  content(k),
		Prebuilt: initramfs.DefaultPrebuilt(),
		Progress: func(text string) { s.note("%s", text) },
	})
}

// content are the files in the guest that the lab makes itself, and modules. A ready
// image gets the image for kexec_file_load that needs no key.
func content(k *kernel) map[string][]byte {
	files := map[string][]byte{"/" + scenarios.InitrdTable: scenarios.SSDT()}
	maps.Copy(files, k.modules)
	if _, ok := k.built.Files[filepath.Base(scenarios.KexecUnsigned)]; !ok {
		if image := kernels.UnsignedKexec(k.build.Arch); image != nil {
			files[scenarios.KexecUnsigned] = image
		}
	}
	return files
}

// needBPF reports whether one of the probes loads a BPF program.
func needBPF(probes []string) bool {
	return slices.ContainsFunc(probes, func(id string) bool {
		row, ok := scenarios.Find(id)
		return ok && slices.Contains(row.Needs, "CONFIG_BPF_SYSCALL")
	})
}

// payloads are the files for probes in the guest.
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
		Compiler: p.Compiler, ImageSHA256: p.ImageSHA256, GuestSHA256: image.SHA256, Ready: b.Ready, Packages: p.BaseDetail, Release: b.Release, Modules: p.ModulesSHA256,
	}
	for _, s := range p.Series {
		o.Series = append(o.Series, s.String())
	}
	return o
}

// records are the kernels in the header of the results.
func (s *Stage) records() (list []matrix.Kernel) {
	for _, build := range s.plan.Builds {
		if k := s.kernels[keyOf(build)]; k != nil {
			list = append(list, k.record)
		}
	}
	return list
}

// current reports whether an earlier result is complete and was measured on the
// same kernel and guest program, on a host like this one. A crash completes a
// mutant's result, because it kills the mutant. A mutant that hung runs again,
// because its time may have been too short.
func (s *Stage) current(res matrix.Result) bool {
	k := s.of(res.Guest)
	return k != nil && (res.End.Well() || res.Mutant != "" && crashed(res.End)) && res.Host.Same(k.host) && res.Origin.Same(k.record.Origin)
}

// chooseHost chooses how to run guests of a kernel's architecture.
func (s *Stage) chooseHost(ctx context.Context, k *kernel) (matrix.Host, error) {
	a := k.build.Arch
	host := matrix.Host{Arch: a.Name, Machine: s.options.Machine}
	qemu, err := exec.LookPath(a.QEMU)
	if err != nil {
		return host, fmt.Errorf("find %s: install the Debian package %s", a.QEMU, a.QEMUPackage)
	}
	out, err := proc.Output(ctx, proc.Command{Argv: []string{qemu, "--version"}})
	if err != nil {
		return host, fmt.Errorf("run %s --version: %w", a.QEMU, err)
	}
	host.QEMU, _, _ = strings.Cut(string(out), "\n")
	switch {
	case s.options.Accel == string(vm.KVM) && !a.Native():
		host.Accel, host.Why = string(vm.TCG), "KVM runs the host's own architecture only"
	case s.options.Accel != "":
		host.Accel, host.Why = s.options.Accel, "chosen by --accel"
	default:
		choice, err := vm.SelfTest(ctx, k.machine(lockdown.Setting{}, plain), s.selfTestCache(a))
		if err != nil {
			return host, err
		}
		if choice.CacheErr != nil {
			s.note("%v", choice.CacheErr)
		}
		host.Accel, host.Why = string(choice.Accel), choice.Why
	}
	if host.CPU = a.CPUTCG; host.Accel == string(vm.KVM) {
		host.CPU = a.CPUKVM
	}
	return host, nil
}

// selfTestCache is the file that keeps the self-test's verdict. A ready image
// may be broken, which must not disable KVM in later runs, so its verdict is
// kept with the results.
func (s *Stage) selfTestCache(a *arch.Arch) string {
	if s.plan.Selection.Image == "" || s.options.Out == "" {
		return s.options.Cache
	}
	if known, err := filepath.Glob(filepath.Join(s.options.Cache, "kvm-"+a.Name+".json")); err == nil && len(known) > 0 {
		return s.options.Cache
	}
	return s.options.Out
}
