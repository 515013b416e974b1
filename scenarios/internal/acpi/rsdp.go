package acpi

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// RSDPAt is the physical address of RootTables: memory of the first MiB, none of
// which the kernel uses (arch/x86/realmode/init.c:reserve_real_mode, v6.12), and
// which neither SeaBIOS nor the setup code of a bzImage has overwritten.
const RSDPAt = 0x90000

// RSDPArg is the kernel argument that names RootTables.
var RSDPArg = fmt.Sprintf("acpi_rsdp=%#x", RSDPAt)

// rsdpSSDT is the table that the firmware does not have.
func rsdpSSDT() []byte { return ssdt("LDLRSDP", "LDLR") }

// FromRSDP checks whether the kernel took its ACPI tables from where acpi_rsdp=
// says. One that refused has those of the firmware.
func FromRSDP() observe.Report {
	if !observe.OnCommandLine(RSDPArg) {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/cmdline")`, Why: "the kernel was started without " + RSDPArg}
	}
	pattern := filepath.Join(TablesDir, "SSDT*")
	path := loaded(pattern, rsdpSSDT())
	look := fmt.Sprintf("read(%q): none is that of the argument", pattern)
	if path != "" {
		look = fmt.Sprintf("read(%q): that of the argument", path)
	}
	log, err := observe.KernelLog()
	if err != nil {
		return observe.SetupFailed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	return judgeRSDP(log, path != "", observe.Exists(TablesDir), look)
}

// judgeRSDP judges by whether the kernel has the table. Lockdown logs the same line
// for efivar_ssdt=, so a line alone is no refusal.
func judgeRSDP(log string, has, tables bool, look string) observe.Report {
	r := observe.Report{Outcome: observe.Allowed, Call: "boot with " + RSDPArg}
	switch {
	case has:
	case !tables:
		return observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: NoTables}
	case ssdtRefused(log):
		r.Outcome, r.Call = observe.Denied, r.Call+": the kernel logs a refusal"
	default:
		r.Outcome, r.Why = observe.Failed, "the kernel took other tables and did not log why"
	}
	return r.Saw(has, look)
}

// RootTables are the ACPI tables of a whole machine, as they are in memory from
// RSDPAt on: QEMU's q35 with one processor and one PCI bus. Devices have no
// interrupts but those that are messages. The offsets of the fields are those of
// ACPI 6.5, chapters 5 and 20.
func RootTables() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0x1000)
	put := func(at int, table []byte) uint32 {
		copy(b[at:], table)
		return uint32(RSDPAt + at)
	}
	facs := le.AppendUint32([]byte("FACS"), 64)
	entries := []uint32{
		put(0x500, fadt(put(0x400, append(facs, make([]byte, 64-len(facs))...)), put(0x200, table("DSDT", 2, "LDLRSDP", dsdt())))),
		put(0x600, table("APIC", 1, "LDLRSDP", madt())),
		put(0x100, rsdpSSDT()),
	}
	var rsdt []byte
	for _, e := range entries {
		rsdt = le.AppendUint32(rsdt, e)
	}
	rsdp := le.AppendUint32([]byte("RSD PTR \x00LDLAB \x00"), put(0x80, table("RSDT", 1, "LDLRSDP", rsdt)))
	rsdp[8] = -sum(rsdp)
	put(0, rsdp)
	return b
}

// fadt has the power management of ICH9, which has no other address on q35
// (hw/isa/lpc_ich9.c and hw/acpi/ich9.c, QEMU 7.2).
func fadt(facs, dsdt uint32) []byte {
	const (
		sci                 = 9
		ports               = 0x600
		wbinvd, c1, sleep   = 1 << 0, 1 << 2, 1 << 5
		smiCommand          = 0xb2
		enableCmd, disabled = 2, 3
	)
	le := binary.LittleEndian
	b := make([]byte, 116)
	le.PutUint32(b[36:], facs)
	le.PutUint32(b[40:], dsdt)
	le.PutUint16(b[46:], sci)
	le.PutUint32(b[48:], smiCommand)
	b[52], b[53] = enableCmd, disabled
	le.PutUint32(b[56:], ports)      // PM1a event, 4 bytes
	le.PutUint32(b[64:], ports+4)    // PM1a control, 2 bytes
	le.PutUint32(b[76:], ports+8)    // timer, 4 bytes
	le.PutUint32(b[80:], ports+0x20) // general events, 16 bytes
	b[88], b[89], b[91], b[92] = 4, 2, 4, 16
	le.PutUint32(b[112:], wbinvd|c1|sleep)
	return table("FACP", 1, "LDLRSDP", b[HeaderSize:])
}

// madt has one local APIC, one I/O APIC and the interrupts that are not where
// those of the ISA bus are.
func madt() []byte {
	return []byte{
		0, 0, 0xe0, 0xfe, 1, 0, 0, 0, // local APICs; there is a PIC, too
		0, 8, 0, 0, 1, 0, 0, 0, // the processor
		1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0, // the I/O APIC
		2, 10, 0, 0, 2, 0, 0, 0, 0, 0, // the timer, at 2
		2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0, // the SCI, active high, by level
	}
}

// dsdt is Name(_S5, Package() {0, 0, 0, 0}), without which the machine could not
// be switched off, and Scope(\_SB) { Device(PCI0) { Name(_HID, EisaId("PNP0A03"))
// Name(_CRS, ...) } } in AML.
func dsdt() []byte {
	off := []byte("\x08_S5_\x12\x06\x04\x00\x00\x00\x00")
	resources := []byte{
		0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, // buses 0 to 255
		0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8, // ports 0xcf8 to 0xcff
		0x88, 13, 0, 1, 0x0c, 3, 0, 0, 0, 0, 0xf7, 0x0c, 0, 0, 0xf8, 0x0c, // ports below
		0x88, 13, 0, 1, 0x0c, 3, 0, 0, 0, 0x0d, 0xff, 0xff, 0, 0, 0, 0xf3, // ports above
		0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x3e, // 0xc0000000 to 0xfebfffff
		0x79, 0,
	}
	buffer := packaged([]byte{0x11}, append([]byte{0x0a, byte(len(resources))}, resources...))
	device := append([]byte("PCI0\x08_HID\x0c\x41\xd0\x0a\x03\x08_CRS"), buffer...)
	return append(off, packaged([]byte{0x10}, append([]byte(`\_SB_`), packaged([]byte{0x5b, 0x82}, device)...))...)
}

// packaged is a term with a length of two bytes behind its operator.
func packaged(op, body []byte) []byte {
	n := len(body) + 2
	return append(append(op, byte(0x40|n&0xf), byte(n>>4)), body...)
}
