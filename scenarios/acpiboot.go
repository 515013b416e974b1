package scenarios

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// initrdTable looks whether the kernel took the table that the initrd carries.
func initrdTable() Result {
	pattern := filepath.Join(acpiTables, "SSDT*")
	act := fmt.Sprintf("read(%q)", pattern)
	paths, _ := filepath.Glob(pattern)
	for _, path := range paths {
		if table, err := os.ReadFile(path); err == nil && bytes.Equal(table, SSDT()) {
			return Result{Outcome: Allowed, Call: call(fmt.Sprintf("read(%q)", path), nil) + ": the initrd's"}
		}
	}
	r := Result{Outcome: Failed, Call: act + ": none is the initrd's"}
	log, err := kernelLog()
	switch {
	case err != nil:
		return failed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	case strings.Contains(log, acpiIgnored):
		r.Outcome, r.Call = Denied, fmt.Sprintf("%s, and the kernel logged %q", r.Call, acpiIgnored)
	case !strings.Contains(log, "ACPI table found in initrd"):
		r.Outcome, r.Why = Unavailable, "the kernel found no table in the initrd"
	case !exists(acpiTables):
		r.Outcome, r.Why = Unavailable, noACPI
	default:
		r.Why = "the kernel found the table, and did not install it"
	}
	return r
}

// acpiIgnored is what the kernel says where lockdown refused the table of the
// initrd (drivers/acpi/tables.c:acpi_table_upgrade, v6.12).
const acpiIgnored = "kernel is locked down, ignoring table override"

// efivarSSDT looks whether the kernel took the name of a variable. Without a
// variable of that name nothing comes of it but, where it was refused,
// lockdown's own line; a kernel that does not know the parameter hands it to
// init.
func efivarSSDT() Result {
	const arg = "efivar_ssdt="
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return failed(`read("/proc/cmdline")`, err)
	}
	if !strings.Contains(string(line), arg) {
		return Result{Outcome: Unavailable, Call: `read("/proc/cmdline"): no ` + arg, Why: "the kernel was started without " + arg}
	}
	env, err := os.ReadFile("/proc/1/environ")
	if err != nil {
		return failed(`read("/proc/1/environ")`, err)
	}
	if strings.Contains(string(env), arg) {
		return Result{Outcome: Unavailable, Call: `read("/proc/1/environ"): ` + arg, Why: "CONFIG_EFI_CUSTOM_SSDT_OVERLAYS"}
	}
	log, err := kernelLog()
	if err != nil {
		return failed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	const act = "syslog(SYSLOG_ACTION_READ_ALL)"
	if ssdtRefused(log) {
		return Result{Outcome: Denied, Call: act + ": refused while the command line was parsed"}
	}
	return Result{Outcome: Allowed, Call: act + ": not refused"}
}

// ssdtRefused reports whether the log tells of a refusal that was not that of
// the initrd's table, which lockdown words alike and follows up with another line.
func ssdtRefused(log string) bool {
	return strings.Count(log, "Lockdown: swapper: modifying ACPI tables is restricted") > strings.Count(log, acpiIgnored)
}

// kernelLog is the kernel's log, from its beginning if that still is there.
func kernelLog() (string, error) {
	const readAll, size = 3, 10 // SYSLOG_ACTION_READ_ALL, _SIZE_BUFFER: include/linux/syslog.h, v6.12
	n, err := unix.Klogctl(size, nil)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	n, err = unix.Klogctl(readAll, b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}
