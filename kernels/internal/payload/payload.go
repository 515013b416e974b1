// Package payload makes what probes load, signed and unsigned. It makes the
// smallest files that kexec_file_load(2) accepts as a kernel, because the guest
// would have to hash megabytes of a real one. They have no code: they are loaded
// and unloaded, never started. The package also signs modules.
package payload

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"

	"github.com/ldlab/ldlab/internal/arch"
)

// A shape is what the kernel of one architecture wants of an image.
type shape struct {
	machine uint16 // PE machine
	// peOffset is where the PE header starts: past all that fill writes.
	peOffset int
	// fill writes the architecture's boot header over the zeroed image.
	fill func(image []byte)
}

// shapes by the lab's names of the architectures.
var shapes = map[string]shape{
	"x86_64": {machine: 0x8664, peOffset: 0x280, fill: fillX86},
	"arm64":  {machine: 0xaa64, peOffset: 0x40, fill: fillARM64},
}

// Sizes of the image in bytes: headers, then one section.
const (
	headerSize  = 0x400
	sectionSize = 0x1000
)

// Kexec gives an image that the architecture's kexec_file_load takes, without
// a signature and with one by the key.
func Kexec(a *arch.Arch, key *rsa.PrivateKey, cert *x509.Certificate) (unsigned, signed []byte, err error) {
	s, ok := shapes[a.Name]
	if !ok {
		return nil, nil, fmt.Errorf("craft kexec image: no shape for %s", a.Name)
	}
	unsigned = craft(s)
	signed, err = sign(unsigned, s.peOffset, key, cert)
	return unsigned, signed, err
}

// Unsigned is the image without a signature; nil if there is none for the
// architecture.
func Unsigned(a *arch.Arch) []byte {
	s, ok := shapes[a.Name]
	if !ok {
		return nil
	}
	return craft(s)
}

var le = binary.LittleEndian

// craft writes the boot header and a PE32+ header with one section. Field
// offsets are those of include/linux/pe.h, v6.12; what must be consistent is
// what crypto/asymmetric_keys/verify_pefile.c, v6.12, and sbverify check.
func craft(s shape) []byte {
	image := make([]byte, headerSize+sectionSize)
	copy(image, "MZ")
	s.fill(image)
	le.PutUint32(image[0x3c:], uint32(s.peOffset))

	coff := image[s.peOffset:]
	copy(coff, "PE\x00\x00")
	le.PutUint16(coff[4:], s.machine)
	le.PutUint16(coff[6:], 1)                   // sections
	le.PutUint16(coff[20:], optSize+dirCount*8) // size of the optional header
	le.PutUint16(coff[22:], 0x0206)             // executable, no line numbers, no debug

	opt := coff[coffSize:]
	le.PutUint16(opt[0:], 0x20b)                   // PE32+
	le.PutUint32(opt[4:], sectionSize)             // text_size
	le.PutUint32(opt[16:], headerSize)             // entry_point
	le.PutUint32(opt[20:], headerSize)             // code_base
	le.PutUint32(opt[32:], 0x200)                  // section_align
	le.PutUint32(opt[36:], 0x200)                  // file_align
	le.PutUint32(opt[56:], headerSize+sectionSize) // image_size
	le.PutUint32(opt[60:], headerSize)             // header_size
	le.PutUint16(opt[68:], 10)                     // subsys: EFI application
	le.PutUint32(opt[optSize-4:], dirCount)        // data_dirs

	section := opt[optSize+dirCount*8:]
	copy(section, ".text")
	le.PutUint32(section[8:], sectionSize)  // virtual_size
	le.PutUint32(section[12:], headerSize)  // virtual_address
	le.PutUint32(section[16:], sectionSize) // raw_data_size
	le.PutUint32(section[20:], headerSize)  // data_addr
	le.PutUint32(section[36:], 0x60000020)  // code, executable, readable
	return image
}

// Sizes of PE structures in bytes, and the place of the directory entry that
// has the offset of the signature.
const (
	coffSize = 24
	optSize  = 112
	dirCount = 6
	certsDir = 4
	csumAt   = 64 // in the optional header
)

// fillX86 writes what bzImage64_probe and bzImage64_load
// (arch/x86/kernel/kexec-bzimage64.c, v6.12) look at. Offsets are those of
// Documentation/arch/x86/boot.rst.
func fillX86(image []byte) {
	image[0x1f1] = headerSize/512 - 1                 // setup_sects
	le.PutUint32(image[0x1f4:], sectionSize/16)       // syssize
	le.PutUint16(image[0x1fe:], 0xaa55)               // boot_flag
	copy(image[0x200:], "\xeb\x6a")                   // jump over the header: its second byte is the distance to its end, 0x26c
	copy(image[0x202:], "HdrS")                       // header
	le.PutUint16(image[0x206:], 0x020f)               // version 2.15
	image[0x211] = 1                                  // loadflags: LOADED_HIGH
	le.PutUint32(image[0x22c:], 0x7fffffff)           // initrd_addr_max
	le.PutUint32(image[0x230:], 0x200000)             // kernel_alignment: 2 MiB
	image[0x234] = 1                                  // relocatable_kernel
	image[0x235] = 21                                 // min_alignment, as a power of two
	le.PutUint16(image[0x236:], 0x0001|0x0002|0x0020) // xloadflags: KERNEL_64, CAN_BE_LOADED_ABOVE_4G, 5LEVEL
	le.PutUint32(image[0x238:], 2047)                 // cmdline_size
	le.PutUint64(image[0x258:], 0x1000000)            // pref_address: 16 MiB
	le.PutUint32(image[0x260:], 0x10000)              // init_size: 64 KiB
}

// fillARM64 writes what image_probe and image_load
// (arch/arm64/kernel/kexec_image.c, v6.12) look at. Offsets are those of
// Documentation/arch/arm64/booting.rst; "MZ" at 0 and the PE offset at 60 are
// part of the header.
func fillARM64(image []byte) {
	le.PutUint64(image[16:], 0x10000)   // image_size in memory: 64 KiB
	le.PutUint64(image[24:], 1<<1|1<<3) // flags: little endian, 4 KiB pages, anywhere in memory
	copy(image[56:], "ARM\x64")         // magic
}
