// Package image reads ready kernel images. A file that a user names is never
// trusted to be one.
package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/lockdown"
)

// An Image is a ready kernel image.
type Image struct {
	Path   string
	Arch   *arch.Arch
	SHA256 string

	ConfigPath   string         // its configuration; empty if that is not known
	Config       kconfig.Config // nil if that is not known
	ConfigSHA256 string
	SitesPath    string // its lockdown call sites (sites.json of a build); empty if they are not known
	SitesSHA256  string
	Modules      string                 // directory or package with its modules; empty if there is none
	Release      string                 // as its uname -r has it; empty if that is not known
	Interface    lockdown.Interface     // by the configuration; upstream if that is not known
	Reasons      lockdown.KernelReasons // those of the lab's reasons whose texts the image has; nil: it does not show them
}

// Open reads a ready kernel image for an architecture, its configuration and its
// lockdown call sites (both may be empty: not known). If the architecture is
// nil, the image's header decides. Errors begin with "read image", "check
// image", "read config" or "read call sites".
func Open(image string, a *arch.Arch, config, sites string) (Image, error) {
	if a == nil {
		var err error
		if a, err = archOf(image); err != nil {
			return Image{}, err
		}
	}
	if err := Check(image, a); err != nil {
		return Image{}, err
	}
	s, err := host.SumFile(image)
	if err != nil {
		return Image{}, fmt.Errorf("read image: %w", err)
	}
	i := Image{Path: image, Arch: a, SHA256: s, ConfigPath: config, Interface: lockdown.Upstream, Reasons: reasonsOf(image), Release: releaseOf(image)}
	if config != "" {
		if i.Config, err = kconfig.ReadFile(config); err != nil {
			return Image{}, err
		}
		if i.ConfigSHA256, err = host.SumFile(config); err != nil {
			return Image{}, fmt.Errorf("read config: %w", err)
		}
	}
	if sites != "" {
		if i.SitesSHA256, err = checkSites(sites); err != nil {
			return Image{}, fmt.Errorf("read call sites: %w", err)
		}
		i.SitesPath = sites
	}
	if i.Config.On("CONFIG_SECURITY_LOCKDOWN_REASONS") {
		i.Interface = lockdown.Bitmap
	}
	return i, nil
}

// checkSites reads a file of call sites and returns its SHA-256.
func checkSites(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var s lockdown.Sites
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if len(s.Present) == 0 {
		return "", fmt.Errorf("%s has no call site", file)
	}
	return host.SumFile(file)
}

// archOf returns the architecture of an image, by its header.
func archOf(image string) (*arch.Arch, error) {
	head, err := host.ReadHead(image, arch.HeadSize)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	for _, a := range arch.All() {
		if a.CheckImage(head) == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("check image %s: it is for none of %s", image, strings.Join(arch.Names(), ", "))
}

// Check reports why a file is no whole image for the architecture. Errors begin
// with "read image" or "check image".
func Check(image string, a *arch.Arch) error {
	f, err := os.Open(image)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	if err := check(f, info.Size(), a); err != nil {
		return strict.Error(fmt.Errorf("check image %s: %w", image, err))
	}
	return nil
}

// check is Check of a file of a size in bytes.
func check(r io.ReaderAt, size int64, a *arch.Arch) error {
	head, err := io.ReadAll(io.NewSectionReader(r, 0, arch.HeadSize))
	if err != nil {
		return err
	}
	if err := a.CheckImage(head); err != nil {
		return err
	}
	need, err := imageSize(r, head)
	if err != nil {
		return err
	}
	if size < need {
		return fmt.Errorf("it is truncated: %d bytes, and its header needs %d", size, need)
	}
	return nil
}

// imageSize is how many bytes an image has at least, by its header; 0 if the
// header does not have it.
func imageSize(r io.ReaderAt, head []byte) (int64, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return elfSize(r)
	case len(head) >= 0x206 && string(head[0x202:0x206]) == "HdrS":
		// Documentation/arch/x86/boot.rst, v6.12: setup_sects at 0x1f1 in
		// sectors of 512 bytes, 0 for 4; syssize at 0x1f4 in 16 bytes.
		setup := int64(head[0x1f1])
		if setup == 0 {
			setup = 4
		}
		return (setup+1)*512 + 16*int64(binary.LittleEndian.Uint32(head[0x1f4:])), nil
	}
	return peSize(head), nil
}

// elfSize is the end of the last segment.
func elfSize(r io.ReaderAt) (int64, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return 0, fmt.Errorf("it is truncated or no ELF file: %w", err)
	}
	defer f.Close()
	var end uint64
	for _, p := range f.Progs {
		if p.Off > math.MaxInt64-p.Filesz || p.Filesz > math.MaxInt64 {
			return 0, errors.New("a segment ends behind the end of any file")
		}
		end = max(end, p.Off+p.Filesz)
	}
	return int64(end), nil
}

// peSize is the end of the last section of an image with an EFI stub, which
// arm64's has: image_size in its own header counts memory, not bytes of the
// file. Offsets are those of the PE format; see include/linux/pe.h, v6.12.
func peSize(head []byte) int64 {
	if len(head) < 64 || head[0] != 'M' || head[1] != 'Z' {
		return 0
	}
	pe := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if pe+24 > int64(len(head)) || string(head[pe:pe+4]) != "PE\x00\x00" {
		return 0
	}
	count := int64(binary.LittleEndian.Uint16(head[pe+6:]))
	table := pe + 24 + int64(binary.LittleEndian.Uint16(head[pe+20:]))
	var end int64
	for i := range count {
		at := table + 40*i
		if at+40 > int64(len(head)) {
			break
		}
		end = max(end, int64(binary.LittleEndian.Uint32(head[at+16:]))+int64(binary.LittleEndian.Uint32(head[at+20:])))
	}
	return end
}
