package klog

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseRecord(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Record
		ok   bool
	}{
		{"5,339,5140900,-;Lockdown: ldp-0001: kexec is restricted; see man kernel_lockdown.7\n", Record{5140900 * time.Microsecond, "Lockdown: ldp-0001: kexec is restricted; see man kernel_lockdown.7", false}, true},
		{"12,1,0,-;text", Record{0, "text", true}, true},
		{"6,1,0,-,caller=T1;text\n SUBSYSTEM=acpi\n DEVICE=+acpi:x\n", Record{0, "text", false}, true},
		{"6,1,0,-", Record{}, false},
		{"6,1;x", Record{}, false},
		{"6,1,later,-;x", Record{}, false},
		{"", Record{}, false},
	} {
		if got, ok := parseRecord(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("parseRecord(%q) = %v, %v", tt.in, got, ok)
		}
	}
}

func TestNamingKeepsOnlyTheComm(t *testing.T) {
	mine := "Lockdown: ldp-0001: direct PCI access is restricted; see man kernel_lockdown.7"
	got := Naming([]Record{
		{0, mine, false},
		{0, "Lockdown: ldp-00011: direct PCI access is restricted; see man kernel_lockdown.7", false},
		{0, "ldp-0001: Lockdown: x", false},
		{0, "lockdown_is_locked_down: 3 callbacks suppressed", false},
	}, "ldp-0001")
	if !reflect.DeepEqual(got, []string{mine}) {
		t.Errorf("got %q", got)
	}
}

func TestNamingIsBounded(t *testing.T) {
	var flood []Record
	for range 10 * MaxLogLines {
		flood = append(flood, Record{Text: DenialPrefix + "ldp-0001: " + strings.Repeat("x", 10*MaxLogLine)})
	}
	got := Naming(flood, "ldp-0001")
	if len(got) != MaxLogLines || len(got[0]) != MaxLogLine {
		t.Errorf("got %d lines of %d bytes", len(got), len(got[0]))
	}
}
