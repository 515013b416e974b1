package acpi

import (
	"bytes"
	"testing"
)

// TestSSDT checks what the kernel checks in a table of the initrd
// (drivers/acpi/tables.c:acpi_table_upgrade, v6.12): size, signature, checksum.
func TestSSDT(t *testing.T) {
	table := InitrdSSDT()
	if len(table) != 43 || table[4] != 43 {
		t.Errorf("%d bytes, length field %d, want 43", len(table), table[4])
	}
	var sum byte
	for _, b := range table {
		sum += b
	}
	if sum != 0 {
		t.Errorf("bytes add up to %#x", sum)
	}
	if got := string(table[:4]) + "|" + string(table[10:24]); got != "SSDT|LDLAB LDLINIT " {
		t.Errorf("table is %q", got)
	}
	if want := []byte("\x08LDLI\x0a\x5a"); !bytes.Equal(table[36:], want) {
		t.Errorf("AML is %x, want %x", table[36:], want)
	}
	a, b := configfsTable(0), configfsTable(0)
	if bytes.Equal(table, a) || bytes.Equal(a, b) || bytes.Equal(a[36:], b[36:]) || bytes.Equal(a[16:24], b[16:24]) {
		t.Errorf("two tables are the same, which the kernel does not load twice: %q, %q", a, b)
	}
}

func TestSSDTRefused(t *testing.T) {
	const line = "<5>[    0.1] Lockdown: swapper: modifying ACPI tables is restricted; see man kernel_lockdown.7\n"
	const initrd = line + "<5>[    0.1] ACPI: " + tableIgnored + "\n"
	for log, want := range map[string]bool{"": false, line: true, initrd: false, initrd + line: true} {
		if got := ssdtRefused(log); got != want {
			t.Errorf("%q: %v, want %v", log, got, want)
		}
	}
}
