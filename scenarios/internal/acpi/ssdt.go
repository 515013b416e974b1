package acpi

import (
	"bytes"
	"encoding/binary"
)

// InitrdPath is the path of SSDT in the initrd: the kernel looks there
// (drivers/acpi/tables.c:acpi_table_upgrade, v6.12), in the first archive, and
// only if that is not compressed.
const InitrdPath = "kernel/firmware/acpi/ldlab.aml"

// InitrdSSDT is the ACPI table that the initrd carries: it names one number.
func InitrdSSDT() []byte { return ssdt("LDLINIT", "LDLI") }

// ssdt is the smallest ACPI table that does something: it gives the name to a
// number, and nothing reads that. (ACPI 6.5, 5.2.6 and 20.2: the header, and
// Name(name, 0x5A) in AML.)
func ssdt(tableID, name string) []byte {
	const revision, creator = 1, "LDLB"
	aml := append(append([]byte{0x08}, name...), 0x0a, 0x5a)
	var b bytes.Buffer
	b.WriteString("SSDT")
	binary.Write(&b, binary.LittleEndian, uint32(HeaderSize+len(aml)))
	b.Write([]byte{2, 0}) // the revision since ACPI 2.0, and room for the checksum
	binary.Write(&b, binary.LittleEndian, struct {
		OEM      [6]byte
		Table    [8]byte
		Revision uint32
		Creator  [4]byte
		Version  uint32
	}{[6]byte([]byte("LDLAB ")), [8]byte([]byte(tableID + "        ")), revision, [4]byte([]byte(creator)), 1})
	b.Write(aml)
	table := b.Bytes()
	var sum byte
	for _, c := range table {
		sum += c
	}
	table[9] = -sum // all bytes add up to nothing
	return table
}

// HeaderSize is the size of the header of an ACPI table.
const HeaderSize = 36
