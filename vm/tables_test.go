package vm

import (
	"slices"
	"testing"
)

// TestTablesDevice: the file is an input of the machine, and the kernel hears of it.
func TestTablesDevice(t *testing.T) {
	d := Tables{"tables", 0x90000, "acpi_rsdp=0x90000"}
	if got, want := d.Argv(), []string{"-device", "loader,file=tables,addr=0x90000,force-raw=on"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := d.WithInputs([]string{"/other"}); got != (Tables{"/other", 0x90000, d.Arg}) || !slices.Equal(inputsOf(d), []string{"tables"}) {
		t.Errorf("with another file: %v", got)
	}
	if !slices.Equal(d.KernelArgs(), []string{d.Arg}) {
		t.Errorf("kernel arguments %q", d.KernelArgs())
	}
}
