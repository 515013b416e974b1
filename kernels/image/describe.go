package image

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"fmt"

	"github.com/ldlab/ldlab/internal/arch"
)

// A kind is a form of file that is often given for a kernel.
type kind struct {
	at    int
	magic string
	what  string // what the file is, and what would do
}

// kinds are tried in order.
var kinds = []kind{
	{0, "070701", "an initrd (cpio): give the kernel that is beside it"},
	{0, "070702", "an initrd (cpio): give the kernel that is beside it"},
	{0, "!<arch>\ndebian-binary", "a Debian package: unpack it with dpkg-deb -x and give the vmlinuz that is in it, and its modules with --modules"},
	{0, "\xed\xab\xee\xdb", "an RPM package: unpack it with bsdtar -xf and give the vmlinuz that is in it, and its modules with --modules"},
	{0, "QFI\xfb", "a disk image (qcow2): give the kernel that is in it"},
	{0, "ANDROID!", "an Android boot image: give the kernel that is in it"},
	{0, "\x27\x05\x19\x56", "a U-Boot image: give the kernel that is in it, without the header of 64 bytes"},
	{0, "\xd0\x0d\xfe\xed", "a device tree or FIT image: give the kernel that is in it"},
	{0, "#!", "a script"},
	{0x24, "\x18\x28\x6f\x01", "a zImage of 32-bit ARM"},              // arch/arm/boot/compressed/head.S, v6.12
	{56, "RSC\x05", "a kernel for riscv64"},                           // Documentation/arch/riscv/boot-image-header.rst, v6.12
	{257, "ustar", "a tar archive: give the kernel that is in it"},    // POSIX.1
	{1080, "\x53\xef", "a file system (ext4): give the kernel in it"}, // fs/ext4/ext4.h:s_magic at 0x38 of the super block at 1024, v6.12
	{510, "\x55\xaa", "a boot sector or a disk: give the kernel that is in it"},
}

// machines are PE machines that are no architecture of the lab, and those that are.
var machines = map[uint16]string{
	pe.IMAGE_FILE_MACHINE_AMD64: "x86_64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64", pe.IMAGE_FILE_MACHINE_I386: "32-bit x86",
	pe.IMAGE_FILE_MACHINE_ARMNT: "32-bit ARM", pe.IMAGE_FILE_MACHINE_ARM: "32-bit ARM", 0x1c2: "32-bit ARM",
	pe.IMAGE_FILE_MACHINE_RISCV64: "riscv64", pe.IMAGE_FILE_MACHINE_LOONGARCH64: "loongarch64",
}

// describe tells what a file is that is no kernel which the lab boots, and what would
// do if that is known. It completes "it is ...".
func describe(head []byte) string {
	if len(head) == 0 {
		return "empty"
	}
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) && len(head) >= 20 {
		return describeELF(head)
	}
	if len(head) >= 0x206 && string(head[0x202:0x206]) == "HdrS" {
		return "a bzImage for 32-bit x86"
	}
	for _, k := range kinds {
		if len(head) >= k.at && bytes.HasPrefix(head[k.at:], []byte(k.magic)) {
			return k.what
		}
	}
	if m, ok := peMachine(head); ok {
		if name := machines[m]; name != "" {
			return fmt.Sprintf("an EFI program for %s without a kernel in it", name)
		}
		return fmt.Sprintf("an EFI program for the machine %#x", m)
	}
	return "no kernel image that the lab knows (bzImage, vmlinux, Image, EFI zboot image, UKI, or one of these compressed)"
}

// describeELF tells which ELF file is none that QEMU boots.
func describeELF(head []byte) string {
	machine := elf.Machine(binary.LittleEndian.Uint16(head[18:]))
	if a := arch.OfELF(machine); a != nil {
		return fmt.Sprintf("an ELF file for %s, which QEMU does not boot: give %s of the same build", a.Name, a.Image)
	}
	return fmt.Sprintf("an ELF file for %s", machine)
}

// peMachine is the machine of a PE file; ok is false if it is none.
func peMachine(head []byte) (machine uint16, ok bool) {
	if len(head) < 0x40 || string(head[:2]) != "MZ" {
		return 0, false
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at+6 > int64(len(head)) || string(head[at:at+4]) != "PE\x00\x00" {
		return 0, false
	}
	return binary.LittleEndian.Uint16(head[at+4:]), true
}
