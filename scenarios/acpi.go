package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/acpi"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("acpi", acpiScenario) }

// arm64 has ACPI tables only if UEFI provides them; x86_64's plain machine has its
// own.
func acpiScenario() Scenario {
	return Scenario{
		Name:  "acpi",
		Title: "give the kernel ACPI tables, whose code it runs",
		Probes: []Probe{
			{
				Claim:    Claim{Name: "configfs", Call: `write("` + acpi.ConfigfsDir + `/ldlab/aml", an SSDT), close, and read back`, Reason: "acpi_tables"},
				Where:    Where{Site: "drivers/acpi/acpi_configfs.c:acpi_table_aml_write", Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_CONFIGFS"}},
				Schedule: Schedule{Machine: Firmware},
				Act: Act{
					Do:   func(context.Context, Env) Report { return acpi.LoadConfigfs() },
					More: func(context.Context, Env) []Variant { return acpi.LoadMore() },
				},
			},
			{
				Claim: Claim{
					Name:   "initrd",
					Call:   "boot with an SSDT in the initrd",
					Expect: Gap,
					Class:  Bug,
					Reason: "acpi_tables",
					Source: "init/main.c:start_kernel calls setup_arch, and that acpi_table_upgrade, before early_security_init, v6.12; v6.1 has them the other way round",
				},
				// Since 417c5643cd67 ("init/main.c: Initialize early LSMs after arch code, static keys and calls.").
				Where:    Where{CheckedAtBoot: true, Site: "drivers/acpi/tables.c:acpi_table_upgrade", Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_TABLE_UPGRADE"}, Since: "6.12", Conditions: lateLSM},
				Schedule: Schedule{Machine: Firmware},
				Act:      Act{Do: func(context.Context, Env) Report { return acpi.FromInitrd() }},
			},
			{
				// The tables are those of a whole machine, because the kernel looks
				// for no others (internal/acpi/rsdp.go).
				Claim: Claim{
					Name:   "rsdp",
					Call:   "boot with " + acpi.RSDPArg + ", where tables of the lab's are",
					Expect: Gap,
					Class:  Bug,
					Reason: "acpi_tables",
					Source: "init/main.c:start_kernel calls setup_arch, and that acpi_boot_table_init and acpi_os_get_root_pointer, before early_security_init, v6.12; v6.1 has them the other way round",
				},
				Where: Where{
					CheckedAtBoot: true, Site: "drivers/acpi/osl.c:acpi_os_get_root_pointer", Only: []string{"x86_64"},
					Needs: []string{"CONFIG_ACPI", "CONFIG_KEXEC"}, Since: "6.12", Conditions: lateLSM,
				},
				Schedule: Schedule{Machine: Tables},
				Act:      Act{Do: func(context.Context, Env) Report { return acpi.FromRSDP() }},
			},
			{
				// The parameter is parsed without EFI, too. On x86_64, which has no
				// firmware here, no variable has the name: a kernel that refuses the
				// name and uses it all the same is noticed on arm64 alone.
				Claim:    Claim{Name: "efivar-ssdt", Call: "boot with efivar_ssdt=ldlab", Reason: "acpi_tables"},
				Where:    Where{CheckedAtBoot: true, Site: "drivers/firmware/efi/efi.c:efivar_ssdt_setup", Needs: []string{"CONFIG_ACPI", "CONFIG_EFI_CUSTOM_SSDT_OVERLAYS"}, Conditions: lateLSM},
				Schedule: Schedule{Machine: Firmware},
				Act:      Act{Do: func(context.Context, Env) Report { return acpi.FromEFIVar() }},
			},
			{
				Claim:    Claim{Name: "configfs-item", Call: `mkdir("` + acpi.ConfigfsDir + `/ldlab")`, Expect: Unchecked, Reason: "acpi_tables"},
				Where:    Where{Site: "drivers/acpi/acpi_configfs.c:acpi_table_make_item", Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_CONFIGFS"}},
				Schedule: Schedule{Machine: Firmware},
				Act:      Act{Do: func(context.Context, Env) Report { return acpi.WithItem(nil) }},
			},
			{
				Claim:    Claim{Name: "read", Call: `read("` + acpi.TablesDir + `/DSDT")`, Expect: Unchecked, Reason: "acpi_tables"},
				Where:    Where{Site: "drivers/acpi/sysfs.c:acpi_table_show", Needs: []string{"CONFIG_ACPI"}},
				Schedule: Schedule{Machine: Firmware},
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(observe.WithFile(acpi.TablesDir+"/DSDT", unix.O_RDONLY, func(fd int) Report {
						_, err := unix.Read(fd, make([]byte, acpi.HeaderSize))
						return observe.FromError(fmt.Sprintf("read(%q, %d)", acpi.TablesDir+"/DSDT", acpi.HeaderSize), err)
					}), acpi.NoTables, unix.ENOENT)
				}},
			},
		},
	}
}
