package acpi

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// InitrdPath is the path of the SSDT in the initrd. The kernel searches only
// the first archive, uncompressed (drivers/acpi/tables.c:acpi_table_upgrade,
// v6.12).
const InitrdPath = "kernel/firmware/acpi/ldlab.aml"

// InitrdSSDT is the initrd's ACPI table. It defines one named number.
func InitrdSSDT() []byte { return ssdt("LDLINIT", "LDLI") }

// Variable is the name of the EFI variable that has VariableSSDT.
const Variable = "ldlab"

// VariableSSDT is the ACPI table of efivar_ssdt=.
func VariableSSDT() []byte { return ssdt("LDLEFI", "LDLE") }

// loads counts the tables that this process has made for configfs.
var loads atomic.Uint32

// configfsTable is a table that the kernel has not loaded before: it does not
// load one twice. It has so many bytes more than it needs.
func configfsTable(more int) []byte {
	const digits = 36
	n := (uint64(os.Getpid())*101 + uint64(loads.Add(1))) % (digits * digits * digits)
	name := strings.ToUpper(strconv.FormatUint(n+digits*digits*digits, digits)) // 1 and three digits
	const noop = 0xa3                                                           // ACPI 6.5, 20.2.5.3: NoopOp
	aml := append([]byte{0x08}, "L"+name[1:]+"\x0a\x5a"...)
	return table("SSDT", 2, "LDLB"+name, append(aml, bytes.Repeat([]byte{noop}, more)...))
}

// ssdt is the smallest ACPI table with an effect: it defines a named number
// that nothing reads. ACPI 6.5, 20.2: Name(name, 0x5A) in AML.
func ssdt(tableID, name string) []byte {
	return table("SSDT", 2, tableID, append(append([]byte{0x08}, name...), 0x0a, 0x5a))
}

// table is a header and what follows it. ACPI 6.5, 5.2.6.
func table(signature string, version byte, tableID string, body []byte) []byte {
	const revision, creator = 1, "LDLB"
	var b bytes.Buffer
	b.WriteString(signature)
	binary.Write(&b, binary.LittleEndian, uint32(HeaderSize+len(body)))
	b.Write([]byte{version, 0}) // and an empty checksum
	binary.Write(&b, binary.LittleEndian, struct {
		OEM      [6]byte
		Table    [8]byte
		Revision uint32
		Creator  [4]byte
		Version  uint32
	}{[6]byte([]byte("LDLAB ")), [8]byte([]byte(tableID + "        ")), revision, [4]byte([]byte(creator)), 1})
	b.Write(body)
	all := b.Bytes()
	all[9] = -sum(all)
	return all
}

// sum is what the bytes of a table add up to, which must be 0.
func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}

// HeaderSize is the size of the header of an ACPI table.
const HeaderSize = 36
