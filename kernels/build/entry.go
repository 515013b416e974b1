package build

import (
	"fmt"
	"path/filepath"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/lockdown"
)

// Files of a result that probes use. Modules are only there if the
// configuration has them.
const (
	KexecUnsigned = "kexec-unsigned" // an image that kexec_file_load takes, without a signature
	KexecSigned   = "kexec-signed"   // the same, signed with the lab's key, which the kernel trusts

	ModuleUnsigned  = "module-unsigned"  // ldlab_nop.ko, which does nothing
	ModuleSigned    = "module-signed"    // the same, signed with the lab's key
	ModuleWrongKey  = "module-wrongkey"  // the same, signed with a key that the kernel does not know
	MmiotraceSigned = "mmiotrace-signed" // testmmiotrace.ko, signed with the lab's key
)

// Other files of a result.
const (
	imageFile      = "image"
	configFile     = "config"
	provenanceFile = "provenance.json"
	sitesFile      = "sites.json" // lockdown.Sites
)

// Built is a kernel that can be booted.
type Built struct {
	Name       string // of the table; a ready image has that of its file
	Arch       *arch.Arch
	Interface  lockdown.Interface
	Image      string            // file
	Kernel     []byte            // of a ready image: what QEMU boots, if that was taken out of the file; nil: the file
	Unwrapped  string            // of a ready image: what Kernel was taken out of; see image.Image
	Config     string            // file; empty if that of a ready image is not known
	Files      map[string]string // other files, by name: KexecUnsigned, ModuleSigned, ..., System.map, build.log
	Modules    string            // of a ready image: directory or package with its modules; empty if there is none
	Ready      bool              // a ready image, which the lab did not build
	Release    string            // of a ready image, as its uname -r has it; empty if that is not known
	NoLockdown bool              // of a ready image: its texts are those of a kernel without the lockdown LSM
	Vermagic   string            // of a ready image: what its modules must have; empty if that is not known
	Provenance Provenance
	Cached     bool // it was there, and nothing was built

	config  kconfig.Config
	reasons lockdown.KernelReasons // of a ready image, as far as it shows them
}

// HasConfig reports whether the configuration has the symbol (CONFIG_X) on, be
// it as a module. It is false if the configuration is not known.
func (b Built) HasConfig(symbol string) bool {
	return b.config.On(symbol)
}

// ConfigValue returns a symbol's value (CONFIG_X) as .config has it, or n if it is
// not set. known is false if the configuration is not known.
func (b Built) ConfigValue(symbol string) (value string, known bool) {
	return b.config.Get(symbol), b.config != nil
}

// OfImage describes a ready image as a kernel that can be booted.
func OfImage(i image.Image) Built {
	name := filepath.Base(i.Path)
	files := map[string]string{}
	if i.SitesPath != "" {
		files[sitesFile] = i.SitesPath
	}
	return Built{
		Files: files,
		Name:  name, Arch: i.Arch, Interface: i.Interface, Image: i.Path, Config: i.ConfigPath, Cached: true, config: i.Config,
		Kernel: i.Kernel, Unwrapped: i.Unwrapped, Modules: i.Modules, Ready: true, Release: i.Release, Vermagic: i.Vermagic, NoLockdown: i.NoLockdown, reasons: i.Reasons,
		Provenance: Provenance{
			Kernel: name, Arch: i.Arch.Name, Interface: i.Interface, Base: i.Path, ImageSHA256: i.SHA256, ConfigSHA256: i.ConfigSHA256, ModulesSHA256: i.ModulesSHA256,
		},
	}
}

// Provenance is what a kernel was made of.
type Provenance struct {
	Kernel        string
	Arch          string
	Interface     lockdown.Interface
	Base          string       // the source in text form; of a ready image, its file
	BaseVersion   string       // the kernel's own: 6.12.117
	BaseDetail    string       // version of the package, commit
	BaseSHA256    string       // of what was fetched
	Series        []SeriesUsed // in the order they were applied
	Fragments     []string     // in the order they were applied
	ConfigSHA256  string
	ModulesSHA256 string `json:",omitempty"` // of a ready image's modules
	Compiler      string
	Linker        string
	LabKey        string // SHA-256 of the certificate that the kernel trusts
	Recipe        string // version of the builder
	Key           string // of everything above: name of the result in the cache
	ImageSHA256   string // of the image; a ready image has that of the file as the user gave it
}

// SeriesUsed is a series as it was applied.
type SeriesUsed struct {
	Name    string
	SHA256  string // of the digests of its patches, in order
	Patches []PatchUsed
}

// PatchUsed is a patch as it was applied.
type PatchUsed struct {
	Name   string
	SHA256 string
}

// id names the job's result in the cache.
func (j *job) id() cache.ID {
	return cache.ID{Kind: cache.Kernels, Name: fmt.Sprintf("%s-%s-%s", host.Fit(j.Kernel), j.Arch.Name, j.key[:16])}
}

// check verifies a result: each of its files must be what it was when it was
// stored. The error is fs.ErrNotExist if there is no result at all.
func (j *job) check(dir string) (err error) {
	j.sums, err = cache.CheckSums(dir, imageFile, configFile, provenanceFile, sitesFile, KexecSigned, KexecUnsigned)
	return err
}

// built describes a result that was checked. What the key does not cover (the
// interface, names of series and patches) is the job's, not what another job
// stored.
func (j *job) built(dir string, cached bool) (Built, error) {
	b := Built{
		Name: j.Kernel, Arch: j.Arch, Interface: j.Interface, Provenance: j.provenance(j.sums[configFile], j.sums[imageFile]),
		Image: filepath.Join(dir, imageFile), Config: filepath.Join(dir, configFile), Files: map[string]string{}, Cached: cached,
	}
	for name := range j.sums {
		if name != imageFile && name != configFile && name != provenanceFile {
			b.Files[name] = filepath.Join(dir, name)
		}
	}
	var err error
	b.config, err = kconfig.ReadFile(b.Config)
	return b, err
}

// provenance is that of a result with these digests of two of its files.
func (j *job) provenance(config, image string) Provenance {
	p := Provenance{
		Kernel: j.Kernel, Arch: j.Arch.Name, Interface: j.Interface,
		Base: j.Source.String(), BaseVersion: j.origin.Version, BaseDetail: j.origin.Detail, BaseSHA256: j.origin.SHA256,
		Compiler: j.tools.compiler, Linker: j.tools.linker,
		LabKey: j.lab.fingerprint(), Recipe: recipe, Key: j.key,
		ConfigSHA256: config, ImageSHA256: image,
	}
	for _, s := range j.Series {
		used := SeriesUsed{Name: s.Name, SHA256: s.SHA256()}
		for _, patch := range s.Patches {
			used.Patches = append(used.Patches, PatchUsed{patch.Name, patch.SHA256()})
		}
		p.Series = append(p.Series, used)
	}
	for _, f := range j.Fragments {
		p.Fragments = append(p.Fragments, f.Name)
	}
	return p
}

// String is one line: "bitmap (7 patches, sha256 0123456789ab)".
func (s SeriesUsed) String() string {
	noun := "patches"
	if len(s.Patches) == 1 {
		noun = "patch"
	}
	return fmt.Sprintf("%s (%d %s, sha256 %.12s)", s.Name, len(s.Patches), noun, s.SHA256)
}
