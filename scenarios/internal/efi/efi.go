// Package efi uses /dev/efi_test.
package efi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestDevice calls the firmware's runtime services.
const TestDevice = "/dev/efi_test"

// Commands of the device: drivers/firmware/efi/test/efi_test.h, v6.12. The
// second does not call firmware, and most guests have none.
const (
	ioctlGetVariable = 0xc0307001 // EFI_RUNTIME_GET_VARIABLE, _IOWR('p', 0x01, struct efi_getvariable)
	ioctlEFIMask     = 0x8004700c // EFI_RUNTIME_GET_SUPPORTED_MASK, _IOR('p', 0x0C, unsigned int)
)

// WithTestDevice opens the device and performs the act on it.
func WithTestDevice(flags int, act func(fd int) observe.Report) observe.Report {
	return NoTestDevice(observe.WithFile(TestDevice, flags, act))
}

// NoTestDevice makes the report of a kernel without the device Unavailable.
func NoTestDevice(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_EFI_TEST", unix.ENOENT, unix.ENXIO)
}

// GetMask reads which services the firmware has, and compares with whether the
// kernel shows that it has firmware.
func GetMask(fd int) observe.Report {
	const shown = "/sys/firmware/efi"
	mask, err := unix.IoctlGetUint32(fd, ioctlEFIMask)
	r := observe.FromError(fmt.Sprintf("ioctl(%q, EFI_RUNTIME_GET_SUPPORTED_MASK, [%#x])", TestDevice, mask), err)
	has := observe.Exists(shown)
	return r.Brought((mask != 0) == has, fmt.Sprintf("%q exists: %v", shown, has))
}

// ReadMask opens the device and reads the mask.
func ReadMask(flags int) observe.Report { return nothingUnlessOpen(WithTestDevice(flags, GetMask)) }

// nothingUnlessOpen adds to the report of a device that cannot be opened that
// nothing was read.
func nothingUnlessOpen(r observe.Report) observe.Report {
	if r.Outcome == observe.Denied && r.Effect == "" {
		r = r.Saw(false, "the device is not open")
	}
	return r
}

// The variable that is read. Every firmware has one for its language: UEFI 2.10,
// 3.3.
const (
	variable = "PlatformLang"
	vendor   = "8be4df61-93ca-11d2-aa0d-00e098032b8c" // EFI_GLOBAL_VARIABLE
)

var vendorGUID = []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}

// getVariable is struct efi_getvariable.
type getVariable struct {
	name, vendor, attributes, size, data, status uintptr
}

// ReadVariable has the firmware read a variable, and compares with what the file
// system of the variables has.
func ReadVariable() observe.Report {
	want, r := shownVariable()
	if r.Outcome != observe.Allowed {
		return r
	}
	return nothingUnlessOpen(WithTestDevice(unix.O_RDONLY, func(fd int) observe.Report {
		got, err := callGetVariable(fd)
		r := observe.FromError(fmt.Sprintf("ioctl(%q, EFI_RUNTIME_GET_VARIABLE, %q) = % x", TestDevice, variable, got), err)
		return r.Brought(bytes.Equal(got, want), fmt.Sprintf("the file of the variable has % x", want))
	}))
}

// callGetVariable returns the variable's attributes and its data.
func callGetVariable(fd int) ([]byte, error) {
	name := append(utf16.Encode([]rune(variable)), 0)
	var attributes uint32
	var status uint64
	data := make([]byte, 256)
	size := uint64(len(data))
	arg := getVariable{
		name: uintptr(unsafe.Pointer(&name[0])), vendor: uintptr(unsafe.Pointer(&vendorGUID[0])), attributes: uintptr(unsafe.Pointer(&attributes)),
		size: uintptr(unsafe.Pointer(&size)), data: uintptr(unsafe.Pointer(&data[0])), status: uintptr(unsafe.Pointer(&status)),
	}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlGetVariable, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(name)
	runtime.KeepAlive(data)
	if e != 0 {
		return nil, e
	}
	return append(binary.LittleEndian.AppendUint32(nil, attributes), data[:min(size, uint64(len(data)))]...), nil
}

// shownVariable is the file of the variable: its attributes, and its data.
func shownVariable() (content []byte, r observe.Report) {
	const dir = "/sys/firmware/efi/efivars"
	call := fmt.Sprintf("mount(%q)", dir)
	if !observe.Exists("/sys/firmware/efi") {
		return nil, observe.Report{Outcome: observe.Unavailable, Call: call, Why: "this machine has no EFI firmware"}
	}
	if err := unix.Mount("efivarfs", dir, "efivarfs", unix.MS_RDONLY, ""); err != nil && err != unix.EBUSY {
		return nil, observe.UnavailableIf(observe.SetupFailed(call, err), "CONFIG_EFIVAR_FS", unix.ENODEV, unix.ENOENT)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	path := dir + "/" + variable + "-" + vendor
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, observe.SetupFailed(fmt.Sprintf("read(%q)", path), err)
	}
	return content, observe.FromError(call, nil)
}
