package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/efi"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("efitest", efitestScenario) }

// The device is there whether or not there is firmware. The hook comes before
// capable(CAP_SYS_ADMIN), which returns EACCES: drivers/firmware/efi/test/efi_test.c:efi_test_open, v6.12.
func efitestScenario() Scenario {
	const site = "drivers/firmware/efi/test/efi_test.c:efi_test_open"
	needs := []string{"CONFIG_EFI_TEST"}
	return Scenario{
		Name:  "efitest",
		Title: "call EFI runtime services through /dev/efi_test",
		Probes: []Probe{
			{
				Claim: Claim{Name: "open", Call: observe.OpenCall(efi.TestDevice, unix.O_RDONLY), Reason: "efi_test"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do:   func(context.Context, Env) Report { return efi.WithTestDevice(unix.O_RDONLY, nil) },
					More: func(context.Context, Env) []Variant { return observe.OpenMore(efi.TestDevice, false) },
				},
			},
			{
				Claim: Claim{Name: "open-rdwr", Call: observe.OpenCall(efi.TestDevice, unix.O_RDWR), Reason: "efi_test"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do:   func(context.Context, Env) Report { return efi.WithTestDevice(unix.O_RDWR, nil) },
					More: func(context.Context, Env) []Variant { return observe.OpenMore(efi.TestDevice, true) },
				},
			},
			{
				Claim: Claim{Name: "ioctl", Call: `ioctl("/dev/efi_test", EFI_RUNTIME_GET_SUPPORTED_MASK)`, Reason: "efi_test"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do: func(context.Context, Env) Report { return efi.ReadMask(unix.O_RDONLY) },
					More: func(context.Context, Env) []Variant {
						return []Variant{efi.ReadMask(unix.O_WRONLY).Vary("O_WRONLY"), efi.ReadMask(unix.O_RDWR).Vary("O_RDWR")}
					},
				},
			},
			{
				// x86_64's machines have no EFI firmware.
				Claim:    Claim{Name: "get-variable", Call: `ioctl("/dev/efi_test", EFI_RUNTIME_GET_VARIABLE, "PlatformLang")`, Reason: "efi_test"},
				Where:    Where{Site: site, Needs: []string{"CONFIG_EFI_TEST", "CONFIG_EFIVAR_FS"}, Only: []string{"arm64"}},
				Schedule: Schedule{Machine: Firmware},
				Act:      Act{Do: func(context.Context, Env) Report { return efi.ReadVariable() }},
			},
			{
				// A handle on the node, without the driver's open.
				Claim: Claim{Name: "path", Call: `open("/dev/efi_test", O_PATH)`, Expect: Unchecked, Reason: "efi_test"},
				Where: Where{Site: "fs/open.c:do_dentry_open", Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					fd, err := unix.Open(efi.TestDevice, unix.O_PATH|unix.O_CLOEXEC, 0)
					if err == nil {
						unix.Close(fd)
					}
					return efi.NoTestDevice(observe.FromError(`open("/dev/efi_test", O_PATH)`, err))
				}},
			},
		},
	}
}
