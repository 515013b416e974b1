package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Variables are a file from VariableStore, at the address of the flash memory in
// which UEFI of the machine keeps its variables. The machine does not change the
// file.
type Variables struct {
	Path string
	At   uint64 // arch.Arch.VariablesAt
}

// Argv puts the file into the flash memory before the firmware starts.
func (d Variables) Argv() []string {
	return []string{"-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", d.Path, d.At)}
}

// KernelArgs is empty.
func (d Variables) KernelArgs() []string { return nil }

// Files is empty: QEMU opens the file by its path.
func (d Variables) Files() []string { return nil }

// Inputs is the file.
func (d Variables) Inputs() []string { return []string{d.Path} }

// WithInputs are variables in another file.
func (d Variables) WithInputs(paths []string) Device { return Variables{paths[0], d.At} }

// A Variable is a variable of UEFI.
type Variable struct {
	Name   string
	Vendor [16]byte // GUID as in memory
	Data   []byte
}

// A variable store has blocks of that size: one of variables, and two for updates
// (ArmVirtPkg/VarStore.fdf.inc of edk2).
const (
	storeBlock  = 0x40000
	storeBlocks = 3
)

// GUIDs of edk2's MdeModulePkg/Include/Guid, as in memory.
var (
	systemNVDataFV        = [16]byte{0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50} // SystemNvDataGuid.h
	authenticatedVariable = [16]byte{0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92} // VariableFormat.h
)

// A volumeHeader is EFI_FIRMWARE_VOLUME_HEADER (UEFI Platform Initialization 1.7,
// volume 3, 3.2.1).
type volumeHeader struct {
	Zero       [16]byte
	FileSystem [16]byte
	Length     uint64
	Signature  [4]byte
	Attributes uint32
	HeaderSize uint16
	Checksum   uint16
	ExtHeader  uint16
	_          uint8
	Revision   uint8
	Blocks     [4]uint32 // number and size of blocks, and the end of the list
}

// A storeHeader is VARIABLE_STORE_HEADER (VariableFormat.h).
type storeHeader struct {
	Signature     [16]byte
	Size          uint32
	Format, State uint8
	_             [6]byte
}

// A variableHeader is AUTHENTICATED_VARIABLE_HEADER (VariableFormat.h).
type variableHeader struct {
	Start              uint16
	State              uint8
	_                  uint8
	Attributes         uint32
	Count              uint64
	Time               [16]byte
	Key                uint32
	NameSize, DataSize uint32
	Vendor             [16]byte
}

// VariableStore is what edk2 keeps of variables that the boot and the operating
// system may read.
func VariableStore(variables ...Variable) []byte {
	const readWrite = 0x4feff // attributes of memory that is read, written and erased to ones
	volume := volumeHeader{
		FileSystem: systemNVDataFV, Length: storeBlocks * storeBlock, Signature: [4]byte([]byte("_FVH")),
		Attributes: readWrite, Revision: 2, Blocks: [4]uint32{storeBlocks, storeBlock},
	}
	volume.HeaderSize = uint16(binary.Size(volume))
	volume.Checksum = -sum16(volume)
	const formatted, healthy = 0x5a, 0xfe
	size := storeBlock - uint32(volume.HeaderSize)
	var b bytes.Buffer
	write := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a Buffer does not fail
	write(volume)
	write(storeHeader{Signature: authenticatedVariable, Size: size, Format: formatted, State: healthy})
	for _, v := range variables {
		const start, added, bootAndRuntime = 0x55aa, 0x3f, 7
		name := append(utf16.Encode([]rune(v.Name)), 0)
		for b.Len()%4 != 0 {
			b.WriteByte(0xff)
		}
		write(variableHeader{
			Start: start, State: added, Attributes: bootAndRuntime,
			NameSize: uint32(2 * len(name)), DataSize: uint32(len(v.Data)), Vendor: v.Vendor,
		})
		write(name)
		b.Write(v.Data)
	}
	store := bytes.Repeat([]byte{0xff}, storeBlocks*storeBlock)
	copy(store[:storeBlock], b.Bytes())
	return store
}

// sum16 is the sum of the 16-bit words of a header.
func sum16(header volumeHeader) (sum uint16) {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, header)
	for words := b.Bytes(); len(words) > 1; words = words[2:] {
		sum += binary.LittleEndian.Uint16(words)
	}
	return sum
}
