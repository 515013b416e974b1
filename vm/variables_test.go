package vm

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// TestVariableStore compares with a store that edk2 of Debian 12 read
// (qemu-efi-aarch64 2022.11), and checks what edk2 checks before it reads one
// (OvmfPkg/VirtNorFlashDxe/VirtNorFlashFvb.c:ValidateFvHeader).
func TestVariableStore(t *testing.T) {
	store := VariableStore(Variable{Name: "a", Data: []byte{1}}, Variable{Name: "bc", Vendor: [16]byte{9}, Data: []byte{2, 3}})
	if len(store) != 0xc0000 || binary.LittleEndian.Uint64(store[32:]) != 0xc0000 || string(store[40:44]) != "_FVH" {
		t.Fatalf("%d bytes, header % x", len(store), store[:72])
	}
	var sum uint16
	for i := 0; i < 72; i += 2 {
		sum += binary.LittleEndian.Uint16(store[i:])
	}
	if sum != 0 || binary.LittleEndian.Uint16(store[48:]) != 72 || binary.LittleEndian.Uint32(store[72+16:]) != 0x40000-72 {
		t.Errorf("sum %#x, headers % x", sum, store[:100])
	}
	first, second := store[100:], store[100+60+4+1+3:]
	if !bytes.HasPrefix(first, []byte{0xaa, 0x55, 0x3f, 0, 7}) || !bytes.Equal(first[60:68], []byte{'a', 0, 0, 0, 1, 0xff, 0xff, 0xff}) {
		t.Errorf("first variable % x", first[:68])
	}
	if !bytes.HasPrefix(second, []byte{0xaa, 0x55}) || second[44] != 9 || !bytes.Equal(second[60:70], []byte{'b', 0, 'c', 0, 0, 0, 2, 3, 0xff, 0xff}) {
		t.Errorf("second variable % x", second[:70])
	}
}

// TestVariablesDevice: the file is an input of the machine.
func TestVariablesDevice(t *testing.T) {
	d := Variables{"vars", 0x4000000}
	if got := d.Argv(); !slices.Equal(got, []string{"-device", "loader,file=vars,addr=0x4000000,force-raw=on"}) {
		t.Errorf("%q", got)
	}
	if got := d.WithInputs([]string{"/other"}); got != (Variables{"/other", 0x4000000}) || !slices.Equal(inputsOf(d), []string{"vars"}) {
		t.Errorf("%+v", got)
	}
}
