// Package efi uses /dev/efi_test.
package efi

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	TestDevice = "/dev/efi_test"

	// EFI_RUNTIME_GET_SUPPORTED_MASK, _IOR('p', 0x0C, unsigned int):
	// drivers/firmware/efi/test/efi_test.h, v6.12. It is the only command that
	// does not call firmware, and most guests have none.
	ioctlEFIMask = 0x8004700c
)

func WithTestDevice(flags int, act func(fd int) observe.Report) observe.Report {
	return NoTestDevice(observe.WithFile(TestDevice, flags, act))
}

func NoTestDevice(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_EFI_TEST", unix.ENOENT, unix.ENXIO)
}

func GetMask(fd int) observe.Report {
	mask, err := unix.IoctlGetUint32(fd, ioctlEFIMask)
	return observe.FromError(fmt.Sprintf("ioctl(%q, EFI_RUNTIME_GET_SUPPORTED_MASK, [%#x])", TestDevice, mask), err)
}
