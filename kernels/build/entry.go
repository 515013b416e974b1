package build

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/lockdown"
)

// Files of a result that probes use. Modules are only there where the
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
	sumsFile       = "SHA256SUMS"
)

// Built is a kernel that can be booted.
type Built struct {
	Name       string // of the table; of the file, for a ready image
	Arch       *arch.Arch
	Interface  lockdown.Interface
	Image      string            // file
	Config     string            // file; empty where a ready image came without
	Files      map[string]string // other files, by name: KexecUnsigned, ModuleSigned, ..., System.map, build.log
	Provenance Provenance
	Cached     bool // it was there, and nothing was built

	config kconfig.Config
}

// HasConfig reports whether the configuration has the symbol (CONFIG_X) on, be
// it as a module. It is false where the configuration is not known.
func (b Built) HasConfig(symbol string) bool {
	return b.config.On(symbol)
}

// ConfigValue is a symbol's value (CONFIG_X) as .config has it; n where it is
// not set, or where the configuration is not known.
func (b Built) ConfigValue(symbol string) string { return b.config.Get(symbol) }

// OfImage takes a ready image for a kernel that was built.
func OfImage(i image.Image) Built {
	name := filepath.Base(i.Path)
	return Built{
		Name: name, Arch: i.Arch, Interface: i.Interface, Image: i.Path, Config: i.ConfigPath, Cached: true, config: i.Config,
		Provenance: Provenance{
			Kernel: name, Arch: i.Arch.Name, Interface: i.Interface, Base: i.Path, ImageSHA256: i.SHA256, ConfigSHA256: i.ConfigSHA256,
		},
	}
}

// Provenance says what a kernel was really made of.
type Provenance struct {
	Kernel       string
	Arch         string
	Interface    lockdown.Interface
	Base         string       // source in text form; the file, for a ready image
	BaseVersion  string       // the kernel's own: 6.12.117
	BaseDetail   string       // version of the package, commit
	BaseSHA256   string       // of what was fetched
	Series       []SeriesUsed // in the order they were applied
	Fragments    []string     // in the order they were applied
	ConfigSHA256 string
	Compiler     string
	Linker       string
	LabKey       string // SHA-256 of the certificate that the kernel trusts
	Recipe       string // version of the builder
	Key          string // of everything above: name of the result in the cache
	ImageSHA256  string
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

// entry is the directory of the job's result.
func (j *job) entry() string {
	return filepath.Join(j.Cache, "kernels", fmt.Sprintf("%s-%s-%s", host.Fit(j.Kernel), j.Arch.Name, j.key[:16]))
}

// cached gives the result if it is in the cache and unharmed.
func (j *job) cached() (Built, bool) {
	built, err := j.openEntry(j.entry())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			j.emit(progress.Event{Phase: progress.Noting, Message: fmt.Sprintf("cached kernel is damaged and will be built again: %v", err)})
		}
		return Built{}, false
	}
	built.Cached = true
	return built, true
}

// openEntry reads a result. Each of its files must be what it was when it was
// stored. What the key does not cover (the interface, names of series and
// patches) is the job's, not what another job stored. The error is
// fs.ErrNotExist if there is no result at all.
func (j *job) openEntry(dir string) (Built, error) {
	if _, err := os.Stat(dir); err != nil {
		return Built{}, err
	}
	sums, err := checkSums(dir)
	if err != nil {
		return Built{}, err
	}
	b := Built{
		Name: j.Kernel, Arch: j.Arch, Interface: j.Interface, Provenance: j.provenance(sums[configFile], sums[imageFile]),
		Image: filepath.Join(dir, imageFile), Config: filepath.Join(dir, configFile), Files: map[string]string{},
	}
	for name := range sums {
		if name != imageFile && name != configFile && name != provenanceFile {
			b.Files[name] = filepath.Join(dir, name)
		}
	}
	b.config, err = kconfig.ReadFile(b.Config)
	return b, err
}

// provenance says what went into a result, given the digests of two of its
// files.
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

// writeSums writes SHA256SUMS, which sha256sum -c takes, over all other files.
func writeSums(dir string) error {
	files, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, f := range files {
		s, err := host.SumFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", s, f.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text.String()), 0o644)
}

// checkSums verifies the files that SHA256SUMS lists, and that it lists those
// a result must have. It gives the sums by file name. No error of it is fs.ErrNotExist:
// a file that lacks is damage.
func checkSums(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil, fmt.Errorf("read checksums: %v", err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		s, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(s) != 64 || name != filepath.Base(name) {
			return nil, fmt.Errorf("read checksums: %s is damaged", filepath.Join(dir, sumsFile))
		}
		want[name] = s
	}
	for _, name := range []string{imageFile, configFile, provenanceFile, sitesFile, KexecSigned, KexecUnsigned} {
		if want[name] == "" {
			return nil, fmt.Errorf("read checksums: %s lacks %s", filepath.Join(dir, sumsFile), name)
		}
	}
	names := slices.Sorted(maps.Keys(want))
	for _, name := range names {
		got, err := host.SumFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read checksums: %v", err)
		}
		if got != want[name] {
			return nil, fmt.Errorf("%s has changed since it was stored", filepath.Join(dir, name))
		}
	}
	return want, nil
}
