package physmem

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// The BIOS of a PC: CONFIG_STRICT_DEVMEM lets it be read, because it is no RAM
// (arch/x86/mm/init.c:devmem_is_allowed, v6.12).
const (
	biosStart = 0xf0000
	biosSize  = 64 << 10
)

// entryPoint is where the kernel shows the entry point of the SMBIOS tables.
const entryPoint = "/sys/firmware/dmi/tables/smbios_entry_point"

// readBIOS reads the BIOS and looks for what the kernel found there.
func readBIOS(fd int) observe.Report {
	b := make([]byte, biosSize)
	n, err := unix.Pread(fd, b, biosStart)
	r := observe.FromError(fmt.Sprintf("pread(%q, %d, %#x) = %d", MemFile, biosSize, biosStart, n), err)
	return r.Brought(isBIOS(b))
}

// isBIOS looks for the entry point that the kernel shows, or else for a pointer
// to ACPI's tables with the right checksum.
func isBIOS(b []byte) (bool, string) {
	if entry, err := os.ReadFile(entryPoint); err == nil && len(entry) > 0 {
		return bytes.Contains(b, entry), fmt.Sprintf("the %d bytes of %q are there", len(entry), entryPoint)
	}
	at := rootPointer(b)
	return at >= 0, fmt.Sprintf("ACPI's root pointer with its checksum is at %#x", biosStart+max(at, 0))
}

// rootPointer is the place of ACPI's root pointer: 20 bytes that begin with its
// signature and add up to 0 (ACPI 6.5, 5.2.5); -1 if there is none.
func rootPointer(b []byte) int {
	for at := 0; at+20 <= len(b); at += 16 {
		if !bytes.HasPrefix(b[at:], []byte("RSD PTR ")) {
			continue
		}
		var sum byte
		for _, c := range b[at : at+20] {
			sum += c
		}
		if sum == 0 {
			return at
		}
	}
	return -1
}
