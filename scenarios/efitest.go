package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	efiTest = "/dev/efi_test"

	// EFI_RUNTIME_GET_SUPPORTED_MASK, _IOR('p', 0x0C, unsigned int):
	// drivers/firmware/efi/test/efi_test.h, v6.12. The only command that calls
	// no firmware, of which a guest mostly has none.
	ioctlEFIMask = 0x8004700c
)

func init() { register("efitest", efitestScenario) }

// The device is there whether or not there is firmware. The hook comes before
// capable(CAP_SYS_ADMIN), which says EACCES: drivers/firmware/efi/test/efi_test.c:efi_test_open, v6.12.
func efitestScenario() Scenario {
	const site = "drivers/firmware/efi/test/efi_test.c:efi_test_open"
	needs := []string{"CONFIG_EFI_TEST"}
	return Scenario{
		Name:  "efitest",
		Title: "call EFI runtime services through /dev/efi_test",
		Probes: []Probe{
			{
				Name: "open", Call: openAct(efiTest, unix.O_RDONLY),
				Reason: "efi_test", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return efiTestFile(unix.O_RDONLY, nil) },
			},
			{
				Name: "open-rdwr", Call: openAct(efiTest, unix.O_RDWR),
				Reason: "efi_test", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return efiTestFile(unix.O_RDWR, nil) },
			},
			{
				Name: "ioctl", Call: `ioctl("/dev/efi_test", EFI_RUNTIME_GET_SUPPORTED_MASK)`,
				Reason: "efi_test", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return efiTestFile(unix.O_RDONLY, efiMask) },
			},
			{
				Name: "path", Call: `open("/dev/efi_test", O_PATH)`, Expect: Unchecked,
				// A handle on the node, without the driver's open.
				Reason: "efi_test", Site: "fs/open.c:do_dentry_open", Needs: needs,
				Act: func(context.Context, Env) Result {
					fd, err := unix.Open(efiTest, unix.O_PATH|unix.O_CLOEXEC, 0)
					if err == nil {
						unix.Close(fd)
					}
					return noEFITest(judge(`open("/dev/efi_test", O_PATH)`, err))
				},
			},
		},
	}
}

func efiTestFile(flags int, act func(fd int) Result) Result {
	return noEFITest(with(efiTest, flags, act))
}

func noEFITest(r Result) Result { return absent(r, "CONFIG_EFI_TEST", unix.ENOENT, unix.ENXIO) }

func efiMask(fd int) Result {
	mask, err := unix.IoctlGetUint32(fd, ioctlEFIMask)
	return judge(fmt.Sprintf("ioctl(%q, EFI_RUNTIME_GET_SUPPORTED_MASK, [%#x])", efiTest, mask), err)
}
