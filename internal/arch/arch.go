// Package arch has the one table of differences between the lab's machines. To
// add an architecture, add an entry here and a kernel config fragment.
package arch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
)

// An Arch is one architecture as the kernel, Go and QEMU name it.
type Arch struct {
	Name   string // name in the lab and of uname: x86_64, arm64
	GOARCH string // name in Go
	ELF    elf.Machine

	Make         string   // kernel make ARCH=
	SrcArch      string   // directory under arch/ in the kernel's source
	CrossPrefix  string   // kernel make CROSS_COMPILE= if the host has another architecture
	CrossPackage string   // Debian package of that compiler
	Targets      []string // kernel make targets
	Image        string   // file to boot, relative to the build tree

	QEMU            string   // QEMU binary
	QEMUPackage     string   // Debian package of that binary
	Machine         string   // -machine under TCG and KVM
	CPUTCG          string   // -cpu under TCG; see HACKING.md for the measurements
	CPUKVM          string   // -cpu under KVM
	Console         string   // console= argument
	Append          []string // kernel arguments that only this machine needs
	Firmware        []string // UEFI images for -bios, at the paths of distributions; nil: ACPI needs none
	FirmwarePackage string   // Debian package of the first
	VariablesAt     uint64   // address of the flash memory in which that firmware keeps its variables
	AHCI            bool     // the board has an ich9-ahci of its own
	PVPanic         bool     // -device pvpanic works, and the lab's kernel has its driver

	// ForkKernel is the smallest file that QEMU accepts as a kernel. A fork
	// never boots. If QEMU copies the kernel and the initrd, this bare header
	// saves each fork their size in memory. nil: QEMU maps the kernel
	// (vmlinux).
	ForkKernel []byte

	// Scale multiplies every timeout under TCG: the factor by which emulation
	// of this machine is slower than the base values assume.
	Scale float64

	check func(head []byte) error
}

// The table. Its order is the order of every listing and report.
var table = []*Arch{
	{
		Name: "x86_64", GOARCH: "amd64", ELF: elf.EM_X86_64,
		Make: "x86_64", SrcArch: "x86", CrossPrefix: "x86_64-linux-gnu-", CrossPackage: "gcc-x86-64-linux-gnu",
		// The ELF vmlinux boots through PVH, so nothing is decompressed:
		// arch/x86/platform/pvh/head.S, v6.12 (not in
		// https://docs.kernel.org/arch/x86/boot.html).
		Targets: []string{"vmlinux"}, Image: "vmlinux",
		QEMU: "qemu-system-x86_64", QEMUPackage: "qemu-system-x86",
		// With erms the kernel clears and copies pages with rep stosb and movsb
		// (arch/x86/lib/clear_page_64.S, v6.12), which TCG emulates byte by
		// byte.
		Machine: "q35", CPUTCG: "max,-erms", CPUKVM: "host",
		Console: "ttyS0",
		// The emulated TSC needs no calibration against other clocks. QEMU
		// delivers every tick, so the timer check is not needed.
		Append:  []string{"tsc=reliable", "no_timer_check"},
		AHCI:    true,
		PVPanic: true,
		Scale:   3,
		check:   checkX86,
	},
	{
		Name: "arm64", GOARCH: "arm64", ELF: elf.EM_AARCH64,
		Make: "arm64", SrcArch: "arm64", CrossPrefix: "aarch64-linux-gnu-", CrossPackage: "gcc-aarch64-linux-gnu",
		Targets: []string{"Image"}, Image: "arch/arm64/boot/Image",
		QEMU: "qemu-system-aarch64", QEMUPackage: "qemu-system-arm",
		Machine: "virt", CPUTCG: "cortex-a57", CPUKVM: "host",
		Console: "ttyAMA0",
		Firmware: []string{
			"/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",     // Debian, Ubuntu
			"/usr/share/edk2/aarch64/QEMU_EFI.fd",         // Fedora
			"/usr/share/edk2/aarch64/QEMU_EFI.silent.fd",  // Fedora, without debug output
			"/usr/share/edk2-armvirt/aarch64/QEMU_EFI.fd", // Arch Linux
			"/usr/share/qemu/aavmf-aarch64-code.bin",      // openSUSE
		},
		FirmwarePackage: "qemu-efi-aarch64",
		VariablesAt:     0x4000000, // the second flash of virt (hw/arm/virt.c:base_memmap, QEMU 7.2)
		PVPanic:         true,
		ForkKernel:      headerARM64(),
		Scale:           4,
		check:           checkARM64,
	},
}

// All lists every architecture, in table order.
func All() []*Arch { return append([]*Arch(nil), table...) }

// Names lists the names of every architecture, in table order.
func Names() []string {
	var names []string
	for _, a := range table {
		names = append(names, a.Name)
	}
	return names
}

// Get returns an architecture by its name in the lab or in Go; nil if there is
// none.
func Get(name string) *Arch {
	for _, a := range table {
		if a.Name == name || a.GOARCH == name {
			return a
		}
	}
	return nil
}

// OfELF returns the architecture of a machine of ELF files; nil if there is none.
func OfELF(m elf.Machine) *Arch {
	for _, a := range table {
		if a.ELF == m {
			return a
		}
	}
	return nil
}

// Native reports whether the host is of this architecture.
func (a *Arch) Native() bool { return a.GOARCH == runtime.GOARCH }

// FindFirmware returns the path of the architecture's UEFI image: the first
// that exists, or else the first. It is empty if ACPI needs no firmware.
func (a *Arch) FindFirmware() string {
	for _, path := range a.Firmware {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if len(a.Firmware) > 0 {
		return a.Firmware[0]
	}
	return ""
}

// HeadSize is the number of leading bytes of an image that CheckImage reads.
const HeadSize = 0x1000

// CheckImage reports why head, the first HeadSize bytes of a file (or all of a
// shorter one), is not a kernel image that QEMU can boot on this architecture.
// The error names what the file is, if that is known.
func (a *Arch) CheckImage(head []byte) error {
	err := a.check(head)
	if err == nil {
		return nil
	}
	for _, other := range table {
		if other != a && other.check(head) == nil {
			return fmt.Errorf("image is for %s, not %s", other.Name, a.Name)
		}
	}
	return err
}

// elfMachineOffset is that of e_machine, from the System V ABI.
const elfMachineOffset = 18

// checkX86 accepts an ELF vmlinux or a bzImage with a 64-bit kernel
// (XLF_KERNEL_64). The bzImage magic is "HdrS" at 0x202
// (Documentation/arch/x86/boot.rst, v6.12).
func checkX86(head []byte) error {
	if bytes.HasPrefix(head, []byte("\x7fELF")) && len(head) >= 64 {
		if m := elf.Machine(binary.LittleEndian.Uint16(head[elfMachineOffset:])); m != elf.EM_X86_64 {
			return fmt.Errorf("image is an ELF file of machine %d, not x86_64 (%d)", m, elf.EM_X86_64)
		}
		return nil
	}
	if len(head) >= 0x238 && bytes.Equal(head[0x202:0x206], []byte("HdrS")) {
		// xloadflags at 0x236, since version 2.12 of the boot protocol (at 0x206).
		if binary.LittleEndian.Uint16(head[0x206:]) < 0x20c || head[0x236]&1 == 0 {
			return fmt.Errorf("image is a bzImage for 32-bit x86")
		}
		return nil
	}
	return fmt.Errorf("image is neither an ELF vmlinux nor a bzImage")
}

// The header of an arm64 Image (Documentation/arch/arm64/booting.rst, v6.12).
const (
	arm64HeadSize    = 64
	arm64SizeOffset  = 16 // image_size, little endian
	arm64MagicOffset = 56
	arm64Magic       = "ARM\x64"
)

// headerARM64 is an Image with a header only.
func headerARM64() []byte {
	head := make([]byte, arm64HeadSize)
	binary.LittleEndian.PutUint64(head[arm64SizeOffset:], HeadSize)
	copy(head[arm64MagicOffset:], arm64Magic)
	return head
}

// checkARM64 accepts a raw Image.
func checkARM64(head []byte) error {
	if len(head) >= arm64HeadSize && string(head[arm64MagicOffset:arm64MagicOffset+4]) == arm64Magic {
		return nil
	}
	return fmt.Errorf("image is not an arm64 Image (no magic at offset 56)")
}
