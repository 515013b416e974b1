package vm

import "fmt"

// Tables are what a file has, in the memory of the machine from an address on, and
// the kernel argument that names the address. Firmware leaves them as they are if
// it does not use that memory.
type Tables struct {
	Path string
	At   uint64
	Arg  string // such as acpi_rsdp=0x90000
}

// Argv puts the file into memory before the firmware starts.
func (d Tables) Argv() []string {
	return []string{"-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", d.Path, d.At)}
}

// KernelArgs is the argument.
func (d Tables) KernelArgs() []string { return []string{d.Arg} }

// Files is empty: QEMU opens the file by its path.
func (d Tables) Files() []string { return nil }

// Inputs is the file.
func (d Tables) Inputs() []string { return []string{d.Path} }

// WithInputs are tables in another file.
func (d Tables) WithInputs(paths []string) Device { return Tables{paths[0], d.At, d.Arg} }
