package vm

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"golang.org/x/sys/unix"
)

// A testIOMMU is a device that needs a kernel argument.
type testIOMMU struct{}

func (testIOMMU) Argv() []string       { return []string{"-device", "intel-iommu"} }
func (testIOMMU) KernelArgs() []string { return []string{"intel_iommu=on"} }
func (testIOMMU) Files() []string      { return nil }

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

// A testFlash is firmware in two files, as a device outside this package has it.
type testFlash struct{ code, vars string }

func (d testFlash) Argv() []string {
	return []string{
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + d.code,
		"-drive", "if=pflash,format=raw,unit=1,snapshot=on,file=" + d.vars,
	}
}
func (testFlash) KernelArgs() []string             { return nil }
func (testFlash) Files() []string                  { return nil }
func (d testFlash) Inputs() []string               { return []string{d.code, d.vars} }
func (testFlash) WithInputs(paths []string) Device { return testFlash{paths[0], paths[1]} }
func (testFlash) BootsKernel() bool                { return true }

// A testChannel is a device with two character devices.
type testChannel struct{ a, b string }

func (d testChannel) Argv() []string     { return []string{"-device", "a=" + d.a + ",b=" + d.b} }
func (testChannel) KernelArgs() []string { return nil }
func (d testChannel) Files() []string    { return []string{d.a, d.b} }

// TestDeviceFiles: each character device has a descriptor of its own, after those
// of every machine and before those of a Launch. By hand nobody is at the other
// end.
func TestDeviceFiles(t *testing.T) {
	plain := Config{Arch: arch.Get("arm64"), Kernel: "/k", Initrd: "/i"}
	c := plain
	c.Devices = []Device{testChannel{"x", "y"}, PCI("edu"), SerialPort{}}
	argv, err := c.Argv()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{
		{"-chardev", "socket,id=x,fd=6", "-chardev", "socket,id=y,fd=7", "-device", "a=x,b=y", "-device", "edu", "-chardev", "socket,id=serial,fd=8"},
		{"-chardev", "socket,id=monitor,fd=3"},
	} {
		at := slices.Index(argv, want[1]) - 1
		if at < 0 || !slices.Equal(argv[at:at+len(want)], want) {
			t.Errorf("argv %q lacks %q", argv, want)
		}
	}
	if a, b := plain.FirstFile(), c.FirstFile(); a != 6 || b != 9 {
		t.Errorf("first files %d and %d", a, b)
	}
	if all := strings.Join(c.byHand(), " "); !strings.Contains(all, "null,id=y") || strings.Contains(all, "fd=") {
		t.Errorf("by hand: %s", all)
	}
	for _, id := range []string{idSerial, idPort, "x"} {
		c.Devices = []Device{testChannel{"x", "y"}, SerialPort{}, testChannel{id, "z"}}
		if _, err := c.Argv(); err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s twice: %v", id, err)
		}
	}
}

// TestDeviceInputs: the files of all devices are the machine's, wherever the
// devices come from, and other paths change no other Config.
func TestDeviceInputs(t *testing.T) {
	c := Config{Kernel: "k", Initrd: "i", Devices: []Device{PCI("edu"), testFlash{"c", "v"}, Firmware{"f"}, SerialPort{}}}
	if got := c.Inputs(); !slices.Equal(got, []string{"k", "i", "c", "v", "f"}) {
		t.Errorf("inputs %q", got)
	}
	other := c.WithInputs([]string{"1", "2", "3", "4", "5"})
	if want := []Device{PCI("edu"), testFlash{"3", "4"}, Firmware{"5"}, SerialPort{}}; other.Kernel != "1" || other.Initrd != "2" || !slices.Equal(other.Devices, want) {
		t.Errorf("%+v", other)
	}
	if c.Kernel != "k" || c.Devices[2] != (Firmware{"f"}) {
		t.Errorf("the first one became %+v", c)
	}
}

// TestBootsKernel: with any firmware the time of a boot is not the nominal one.
func TestBootsKernel(t *testing.T) {
	c := Config{Arch: arch.Get("arm64")}
	for _, tt := range []struct {
		devices []Device
		want    bool
	}{{nil, false}, {[]Device{PCI("edu"), SerialPort{}}, false}, {[]Device{SerialPort{}, Firmware{"f"}}, true}, {[]Device{testFlash{}, PCI("edu")}, true}} {
		c.Devices = tt.devices
		if got := c.devices().bootsKernel(); got != tt.want {
			t.Errorf("%v: %v", tt.devices, got)
		}
	}
}

// TestSockets: whoever has the other end of a character device sees it close.
func TestSockets(t *testing.T) {
	m := &Machine{}
	theirs, err := m.sockets.add(idPort)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if m.Serial() != nil {
		t.Error("a machine without a serial port has one")
	}
	serial, err := m.sockets.add(idSerial)
	if err != nil {
		t.Fatal(err)
	}
	defer serial.Close()
	if _, err := m.Serial().Write([]byte("x")); err != nil {
		t.Error(err)
	}
	m.sockets.close()
	for _, step := range []struct {
		of   *os.File
		want string // "": the end
	}{{theirs, ""}, {serial, "x"}, {serial, ""}} {
		buf := make([]byte, 2)
		n, _, err := unix.Recvfrom(int(step.of.Fd()), buf, unix.MSG_DONTWAIT)
		if err != nil || string(buf[:n]) != step.want {
			t.Errorf("read %q, %v, want %q", buf[:max(n, 0)], err, step.want)
		}
	}
}
