package vm

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
)

// A testIOMMU is a device that needs a kernel argument.
type testIOMMU struct{}

func (testIOMMU) Argv() []string       { return []string{"-device", "intel-iommu"} }
func (testIOMMU) KernelArgs() []string { return []string{"intel_iommu=on"} }

// TestDevices: a device that a caller adds brings its words and its kernel
// arguments, once and in the caller's order, and changes no others.
func TestDevices(t *testing.T) {
	c := Config{Arch: arch.Get("x86_64"), Kernel: "/k", Initrd: "/i", Append: []string{"last"}}
	plain, err := c.Argv()
	if err != nil {
		t.Fatal(err)
	}
	c.Devices = []Device{PCI("edu"), testIOMMU{}}
	argv, err := c.Argv()
	if err != nil {
		t.Fatal(err)
	}
	added := []string{"-device", "edu", "-device", "intel-iommu"}
	at := slices.Index(argv, "edu") - 1
	if at < 0 || !slices.Equal(argv[at:at+4], added) {
		t.Fatalf("argv %q lacks %q", argv, added)
	}
	rest := slices.Delete(slices.Clone(argv), at, at+4)
	if got := rest[len(rest)-1]; got != strings.Replace(plain[len(plain)-1], " panic=", " intel_iommu=on panic=", 1) {
		t.Errorf("kernel arguments %q", got)
	}
	if !slices.Equal(rest[:len(rest)-1], plain[:len(plain)-1]) {
		t.Errorf("other words changed:\n%q\n%q", rest, plain)
	}
	if !slices.Contains(c.byHand(), "edu") {
		t.Error("the command line to repeat the boot lacks a device")
	}
}
