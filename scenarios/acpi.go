package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	acpiTables   = "/sys/firmware/acpi/tables"
	acpiConfigfs = "/sys/kernel/config/acpi/table"
)

// configfsTable is another table than the initrd's: none is loaded twice.
func configfsTable() []byte { return ssdt("LDLCONF", "LDLC") }

func init() { register("acpi", acpiScenario) }

// On arm64 there are ACPI tables only where UEFI hands them over; x86_64's
// plain machine has its own. acpi_rsdp= asks as well
// (drivers/acpi/osl.c:acpi_os_get_root_pointer), but on v6.12 in setup_arch,
// before lockdown is there, and only the address that the kernel finds anyway
// is harmless: no probe could see the difference.
func acpiScenario() Scenario {
	return Scenario{
		Name:  "acpi",
		Title: "give the kernel ACPI tables, whose code it runs",
		Probes: []Probe{
			{
				Name: "configfs", Call: `write("` + acpiConfigfs + `/ldlab/aml", an SSDT), close, and read back`,
				Reason: "acpi_tables", Site: "drivers/acpi/acpi_configfs.c:acpi_table_aml_write",
				Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_CONFIGFS"}, Machine: Firmware,
				Act: func(context.Context, Env) Result { return acpiItem(acpiLoad) },
			},
			{
				Name: "initrd", Call: "boot with an SSDT in the initrd", CheckedAtBoot: true, Expect: Gap,
				Reason: "acpi_tables", Site: "drivers/acpi/tables.c:acpi_table_upgrade",
				Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_TABLE_UPGRADE"}, Machine: Firmware,
				Source: "init/main.c:start_kernel calls setup_arch, and that acpi_table_upgrade, before early_security_init, v6.12; v6.1 has them the other way round",
				Act:    func(context.Context, Env) Result { return initrdTable() },
			},
			{
				Name: "efivar-ssdt", Call: "boot with efivar_ssdt=ldlab", CheckedAtBoot: true,
				// The parameter is parsed without EFI, too.
				Reason: "acpi_tables", Site: "drivers/firmware/efi/efi.c:efivar_ssdt_setup",
				Needs: []string{"CONFIG_ACPI", "CONFIG_EFI_CUSTOM_SSDT_OVERLAYS"},
				Act:   func(context.Context, Env) Result { return efivarSSDT() },
			},
			{
				Name: "configfs-item", Call: `mkdir("` + acpiConfigfs + `/ldlab")`, Expect: Unchecked,
				Reason: "acpi_tables", Site: "drivers/acpi/acpi_configfs.c:acpi_table_make_item",
				Needs: []string{"CONFIG_ACPI", "CONFIG_ACPI_CONFIGFS"}, Machine: Firmware,
				Act: func(context.Context, Env) Result { return acpiItem(nil) },
			},
			{
				Name: "read", Call: `read("` + acpiTables + `/DSDT")`, Expect: Unchecked,
				Reason: "acpi_tables", Site: "drivers/acpi/sysfs.c:acpi_table_show",
				Needs: []string{"CONFIG_ACPI"}, Machine: Firmware,
				Act: func(context.Context, Env) Result {
					return absent(with(acpiTables+"/DSDT", unix.O_RDONLY, func(fd int) Result {
						_, err := unix.Read(fd, make([]byte, ssdtHeader))
						return judge(fmt.Sprintf("read(%q, %d)", acpiTables+"/DSDT", ssdtHeader), err)
					}), noACPI, unix.ENOENT)
				},
			},
		},
	}
}

const noACPI = "the kernel found no ACPI tables"

// acpiItem makes a place for a table, does the act with it, and takes it away,
// which unloads the table.
func acpiItem(act func(dir string) Result) (r Result) {
	if !exists(acpiTables) { // unloading is not for a kernel that never started ACPI
		return Result{Outcome: Unavailable, Call: call(openAct(acpiTables, unix.O_RDONLY), unix.ENOENT), Why: noACPI}
	}
	dir := filepath.Join(acpiConfigfs, "ldlab")
	r = absent(judge(fmt.Sprintf("mkdir(%q)", dir), unix.Mkdir(dir, 0o755)), "CONFIG_ACPI_CONFIGFS", unix.ENOENT)
	if r.Outcome != Allowed {
		return r
	}
	defer func() {
		if err := unix.Rmdir(dir); err != nil {
			r = failed(fmt.Sprintf("rmdir(%q)", dir), err)
		}
	}()
	if act != nil {
		r = act(dir)
	}
	return r
}

// acpiLoad writes a table. configfs collects what is written and hands it over
// when the file is closed; what comes of that nobody is told
// (fs/configfs/file.c:configfs_release_bin_file, v6.12). So it is read back:
// EINVAL says that no table was loaded.
func acpiLoad(dir string) Result {
	path, table := filepath.Join(dir, "aml"), configfsTable()
	r := with(path, unix.O_WRONLY, func(fd int) Result {
		_, err := unix.Write(fd, table)
		return judge(fmt.Sprintf("write(%q, %d)", path, len(table)), err)
	})
	if r.Outcome != Allowed {
		return r
	}
	b := make([]byte, 2*len(table))
	read := with(path, unix.O_RDONLY, func(fd int) Result {
		n, err := unix.Read(fd, b)
		b = b[:max(n, 0)]
		return judge(fmt.Sprintf("read(%q)", path), err)
	})
	read.Call = r.Call + ", " + read.Call
	switch {
	case read.Errno == "EINVAL":
		read.Outcome, read.Why = Denied, ""
	case read.Outcome == Allowed && !bytes.Equal(b, table):
		read.Outcome, read.Why = Failed, "another table was read back"
	}
	return read
}
