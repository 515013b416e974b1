package acpi

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// FromInitrd checks whether the kernel loaded the table in the initrd.
func FromInitrd() observe.Report {
	pattern := filepath.Join(TablesDir, "SSDT*")
	call := fmt.Sprintf("read(%q)", pattern)
	if path := loaded(pattern, InitrdSSDT()); path != "" {
		return observe.Report{Outcome: observe.Allowed, Call: observe.CallText(fmt.Sprintf("read(%q)", path), nil) + ": the initrd's"}
	}
	r := observe.Report{Outcome: observe.Failed, Call: call + ": none is the initrd's"}
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
		r.Why = "the kernel found the table but did not install it"
	}
	return r
}

// loaded is the file that has the table; "" if none has.
func loaded(pattern string, want []byte) string {
	paths, _ := filepath.Glob(pattern)
	for _, path := range paths {
		if table, err := os.ReadFile(path); err == nil && bytes.Equal(table, want) {
			return path
		}
	}
	return ""
}

// tableIgnored is the kernel's message if lockdown denied the initrd's table
// (drivers/acpi/tables.c:acpi_table_upgrade, v6.12).
const tableIgnored = "kernel is locked down, ignoring table override"

// FromEFIVar checks whether the kernel accepted the name of an EFI variable, and
// looks for the variable's table. Without firmware there are no variables, and the
// only effect is lockdown's message if the parameter was denied. A kernel that does
// not know the parameter passes it on to init.
func FromEFIVar() observe.Report {
	r := efivarAnswer()
	if r.Outcome != observe.Allowed && r.Outcome != observe.Denied || !observe.Exists("/sys/firmware/efi") || !observe.Exists(TablesDir) {
		return r
	}
	pattern := filepath.Join(TablesDir, "dynamic", "SSDT*") // loaded after the kernel has listed the firmware's
	path := loaded(pattern, VariableSSDT())
	if path == "" {
		return r.Saw(false, fmt.Sprintf("read(%q): none is the variable's", pattern))
	}
	return r.Saw(true, fmt.Sprintf("read(%q): the variable's", path))
}

// efivarAnswer is what the kernel logged of the parameter.
func efivarAnswer() observe.Report {
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
	const call = "syslog(SYSLOG_ACTION_READ_ALL)"
	if ssdtRefused(log) {
		return observe.Report{Outcome: observe.Denied, Call: call + ": refused while the command line was parsed"}
	}
	return observe.Report{Outcome: observe.Allowed, Call: call + ": not refused"}
}

// ssdtRefused reports whether the log has a denial that is not that of the
// initrd's table. Lockdown's message is the same for both, but the kernel logs
// another line after the initrd's.
func ssdtRefused(log string) bool {
	return strings.Count(log, "Lockdown: swapper: modifying ACPI tables is restricted") > strings.Count(log, tableIgnored)
}
