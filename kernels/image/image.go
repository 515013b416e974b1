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
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/lockdown"
)

// An Image is a ready kernel image.
type Image struct {
	Path   string // file as the user gave it
	Arch   *arch.Arch
	SHA256 string // of that file, whatever the kernel was taken out of

	// Kernel is what QEMU boots, if that is not the file itself: it was taken out of
	// the file. Unwrapped says out of what: "UKI (its section .linux), in that EFI
	// zboot image (gzip)"; empty: QEMU boots the file.
	Kernel    []byte
	Unwrapped string

	ConfigPath    string         // its configuration; empty if that is not known, or if the image itself has it
	Config        kconfig.Config // nil if that is not known
	ConfigSHA256  string
	SitesPath     string // its lockdown call sites (sites.json of a build); empty if they are not known
	SitesSHA256   string
	Modules       string                 // directory or package with its modules; empty if there is none
	ModulesSHA256 string                 // of the package, or of all modules of the directory
	Release       string                 // as its uname -r has it; empty if that is not known
	NoLockdown    bool                   // its texts are those of a kernel without the lockdown LSM
	Vermagic      string                 // what its modules must have; empty if that is not known
	Interface     lockdown.Interface     // by the configuration; upstream if that is not known
	Reasons       lockdown.KernelReasons // those of the lab's reasons whose texts the image has; nil: it does not show them
}

// Open reads a ready kernel image for an architecture, its configuration and its
// lockdown call sites (both may be empty: not known). Some images have their own
// configuration in them. If the architecture is
// nil, the image's header decides. The kernel is taken out of what QEMU cannot boot:
// EFI zboot images, UKIs, compressed files. Errors begin with "read image", "check
// image", "read config", "check config" or "read call sites".
func Open(image string, a *arch.Arch, config, sites string) (Image, error) {
	i, err := openImage(image, a)
	if err != nil {
		return Image{}, err
	}
	if config != "" {
		if err := i.readConfig(config); err != nil {
			return Image{}, err
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

// openImage reads an image, and what it shows of itself.
func openImage(image string, a *arch.Arch) (Image, error) {
	f, c, err := openFile(image)
	if err != nil {
		return Image{}, fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	bad := func(err error) (Image, error) {
		return Image{}, strict.Error(fmt.Errorf("check image %s: %w", image, err))
	}
	if c, err = unwrap(c, maxUnwrapped); err != nil {
		return bad(err)
	}
	in := strings.Join(c.how, ", in that ")
	if a == nil {
		a, err = archOf(c)
	}
	if err == nil {
		err = check(c, a)
	}
	if err != nil && in != "" {
		err = fmt.Errorf("in its %s: %w", in, err)
	}
	if err != nil {
		return bad(err)
	}
	texts := textsOf(c)
	i := Image{Path: image, Arch: a, Unwrapped: in, Interface: lockdown.Upstream, Reasons: reasonsOf(texts), Release: releaseOf(c, texts)}
	i.Vermagic, i.NoLockdown = vermagicOf(texts, i.Release), lacksLockdown(texts)
	if text := configIn(texts); text != nil {
		if own, err := kconfig.Parse(text); err == nil { // if not, it is not known
			i.Config, i.ConfigSHA256 = own, host.Sum(text)
		}
	}
	if i.SHA256, err = host.SumFile(image); err == nil && in != "" {
		i.Kernel, err = io.ReadAll(c.reader())
	}
	if err != nil {
		return Image{}, fmt.Errorf("read image: %w", err)
	}
	return i, nil
}

// openFile opens a file as the content of an image. The caller closes it.
func openFile(name string) (*os.File, content, error) {
	f, err := host.Open(name)
	if err != nil {
		return nil, content{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, content{}, err
	}
	return f, content{f, info.Size(), nil}, nil
}

// maxSites is the size in bytes of the largest file of call sites that is read. The
// lab's have some 30 KB.
const maxSites = 16 << 20

// checkSites reads a file of call sites and returns its SHA-256.
func checkSites(file string) (string, error) {
	data, err := host.ReadFile(file, maxSites)
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
	return host.Sum(data), nil
}

// archOf returns the architecture of a kernel, by its header.
func archOf(c content) (*arch.Arch, error) {
	head, err := c.head()
	if err != nil {
		return nil, err
	}
	for _, a := range arch.All() {
		if a.CheckImage(head) == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("it is %s", describe(head))
}

// Check reports why a file is no whole image for the architecture. Errors begin
// with "read image" or "check image".
func Check(image string, a *arch.Arch) error {
	f, c, err := openFile(image)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	if err := check(c, a); err != nil {
		return strict.Error(fmt.Errorf("check image %s: %w", image, err))
	}
	return nil
}

// check is Check of what nothing is to be taken out of.
func check(c content, a *arch.Arch) error {
	head, err := c.head()
	if err != nil {
		return err
	}
	if err := a.CheckImage(head); err != nil {
		if isKernel(head) {
			return err
		}
		return fmt.Errorf("it is %s", describe(head))
	}
	need, err := imageSize(c, head)
	if err != nil {
		return err
	}
	if c.size < need {
		return fmt.Errorf("it is truncated: %d bytes, and its header needs %d", c.size, need)
	}
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return checkPVH(c)
	}
	return nil
}

// imageSize is how many bytes an image has at least, by its header; 0 if the
// header does not have it.
func imageSize(r io.ReaderAt, head []byte) (int64, error) {
	switch {
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
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

// checkPVH reports why QEMU does not boot a whole ELF file: it starts one where the
// kernel's note for that says (XEN_ELFNOTE_PHYS32_ENTRY in arch/x86/platform/pvh/head.S,
// v6.12). debug/elf reads no notes: each has the lengths of its name and of its data,
// its type, and these two, padded to 4 bytes.
func checkPVH(r io.ReaderAt) error {
	const maxNotes, entry = 1 << 20, 18
	f, err := elf.NewFile(r)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Type == elf.ET_REL {
		return errors.New("it is an object file or a module")
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
		return errors.New("it is a program or a library, and no kernel")
	}
	pad := func(n uint32) int64 { return (int64(n) + 3) &^ 3 }
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(p.Open(), maxNotes))
		if err != nil {
			return err
		}
		for len(data) >= 12 {
			name := f.ByteOrder.Uint32(data)
			size := 12 + pad(name) + pad(f.ByteOrder.Uint32(data[4:]))
			if size > int64(len(data)) {
				break
			}
			if f.ByteOrder.Uint32(data[8:]) == entry && string(data[12:12+name]) == "Xen\x00" {
				return nil
			}
			data = data[size:]
		}
	}
	return errors.New("it is a vmlinux without a PVH note (CONFIG_PVH=n), which QEMU does not boot: give arch/x86/boot/bzImage of the same build")
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
