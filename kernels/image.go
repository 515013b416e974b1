package kernels

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/lockdown"
)

// OpenImage takes a ready kernel image for the architecture, with its
// configuration where that is known (config may be empty). The kind is told
// from the configuration; without one, it is taken for mainline's.
func OpenImage(image string, a *arch.Arch, config string) (Built, error) {
	if err := checkImage(image, a); err != nil {
		return Built{}, err
	}
	s, err := sumFile(image)
	if err != nil {
		return Built{}, fmt.Errorf("read image: %w", err)
	}
	b := Built{
		Name: filepath.Base(image), Arch: a, Interface: lockdown.Upstream, Image: image, Config: config, Cached: true,
		Provenance: Provenance{Kernel: filepath.Base(image), Arch: a.Name, Base: image, ImageSHA256: s},
	}
	if config != "" {
		if b.config, err = readConfig(config); err != nil {
			return Built{}, err
		}
		if b.Provenance.ConfigSHA256, err = sumFile(config); err != nil {
			return Built{}, fmt.Errorf("read config: %w", err)
		}
	}
	if b.HasConfig("CONFIG_SECURITY_LOCKDOWN_REASONS") {
		b.Interface = lockdown.Bitmap
	}
	b.Provenance.Interface = b.Interface
	return b, nil
}

// checkImage says why a file is no whole image for the architecture.
func checkImage(image string, a *arch.Arch) error {
	head, err := readHead(image, arch.HeadSize)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	if err := a.CheckImage(head); err != nil {
		return fmt.Errorf("check image %s: %w", image, err)
	}
	info, err := os.Stat(image)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	need, err := imageSize(image, head)
	if err != nil {
		return fmt.Errorf("check image %s: %w", image, err)
	}
	if info.Size() < need {
		return fmt.Errorf("check image %s: it is truncated: %d bytes, where its header speaks of %d", image, info.Size(), need)
	}
	return nil
}

// readHead gives the first n bytes of a file, or all if it is shorter.
func readHead(file string, n int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}

// imageSize is how many bytes an image has at least, as far as its header
// tells; 0 where it does not.
func imageSize(image string, head []byte) (int64, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return elfSize(image)
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
func elfSize(image string) (int64, error) {
	f, err := elf.Open(image)
	if err != nil {
		return 0, fmt.Errorf("it is truncated or no ELF file: %v", err)
	}
	defer f.Close()
	var end int64
	for _, p := range f.Progs {
		end = max(end, int64(p.Off+p.Filesz))
	}
	return end, nil
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
