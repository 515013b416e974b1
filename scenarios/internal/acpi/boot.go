package acpi

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// FromInitrd looks whether the kernel took the table that the initrd carries.
func FromInitrd() observe.Report {
	pattern := filepath.Join(TablesDir, "SSDT*")
	act := fmt.Sprintf("read(%q)", pattern)
	paths, _ := filepath.Glob(pattern)
	for _, path := range paths {
		if table, err := os.ReadFile(path); err == nil && bytes.Equal(table, InitrdSSDT()) {
			return observe.Report{Outcome: observe.Allowed, Call: observe.CallText(fmt.Sprintf("read(%q)", path), nil) + ": the initrd's"}
		}
	}
	r := observe.Report{Outcome: observe.Failed, Call: act + ": none is the initrd's"}
	log, err := observe.KernelLog()
	switch {
	case err != nil:
		return observe.SetupFailed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	case strings.Contains(log, tableIgnored):
		r.Outcome, r.Call = observe.Denied, fmt.Sprintf("%s, and the kernel logged %q", r.Call, tableIgnored)
	case !strings.Contains(log, "ACPI table found in initrd"):
		r.Outcome, r.Why = observe.Unavailable, "the kernel found no table in the initrd"
	case !observe.Exists(TablesDir):
		r.Outcome, r.Why = observe.Unavailable, NoTables
	default:
		r.Why = "the kernel found the table, and did not install it"
	}
	return r
}

// tableIgnored is what the kernel says where lockdown refused the table of the
// initrd (drivers/acpi/tables.c:acpi_table_upgrade, v6.12).
const tableIgnored = "kernel is locked down, ignoring table override"

// FromEFIVar looks whether the kernel took the name of a variable. Without a
// variable of that name nothing comes of it but, where it was refused,
// lockdown's own line; a kernel that does not know the parameter hands it to
// init.
func FromEFIVar() observe.Report {
	const arg = "efivar_ssdt="
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return observe.SetupFailed(`read("/proc/cmdline")`, err)
	}
	if !strings.Contains(string(line), arg) {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/cmdline"): no ` + arg, Why: "the kernel was started without " + arg}
	}
	env, err := os.ReadFile("/proc/1/environ")
	if err != nil {
		return observe.SetupFailed(`read("/proc/1/environ")`, err)
	}
	if strings.Contains(string(env), arg) {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/1/environ"): ` + arg, Why: "CONFIG_EFI_CUSTOM_SSDT_OVERLAYS"}
	}
	log, err := observe.KernelLog()
	if err != nil {
		return observe.SetupFailed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	const act = "syslog(SYSLOG_ACTION_READ_ALL)"
	if ssdtRefused(log) {
		return observe.Report{Outcome: observe.Denied, Call: act + ": refused while the command line was parsed"}
	}
	return observe.Report{Outcome: observe.Allowed, Call: act + ": not refused"}
}

// ssdtRefused reports whether the log tells of a refusal that was not that of
// the initrd's table, which lockdown words alike and follows up with another line.
func ssdtRefused(log string) bool {
	return strings.Count(log, "Lockdown: swapper: modifying ACPI tables is restricted") > strings.Count(log, tableIgnored)
}
