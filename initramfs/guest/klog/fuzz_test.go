package klog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParseRecord: a record that parses has one line of text, and is parsed
// equally when it is written in the kernel's format again.
func FuzzParseRecord(f *testing.F) {
	f.Add("5,339,5140900,-;Lockdown: ldp-0001: kexec is restricted; see man kernel_lockdown.7\n")
	f.Add("6,1,0,-,caller=T1;text\n SUBSYSTEM=acpi\n DEVICE=+acpi:x\n")
	f.Add("6,1,9223372036854775807,-;overflows")
	f.Add("6,1,-1,-;before the boot")
	f.Add("6,1,0,-")
	f.Fuzz(func(t *testing.T, in string) {
		r, ok := parseRecord(in)
		if !ok {
			return
		}
		if strings.Contains(r.Text, "\n") || !strings.Contains(in, ";"+r.Text) {
			t.Errorf("%q has the text %q", in, r.Text)
		}
		if r.At < 0 {
			t.Errorf("%q was logged at %v", in, r.At)
		}
		again, ok := parseRecord(fmt.Sprintf("6,1,%d,-;%s\n CONTEXT=x\n", r.At/time.Microsecond, r.Text))
		if !ok || again != r {
			t.Errorf("%q is %+v; written again, %+v", in, r, again)
		}
	})
}

// FuzzNaming: lines are kept in order, bounded, and only if they name the comm.
func FuzzNaming(f *testing.F) {
	f.Add("Lockdown: ldp-0001: direct PCI access is restricted; see man kernel_lockdown.7\nother", "ldp-0001")
	f.Add("Lockdown: ldp-00011: x\nLockdown: ldp-0001: y", "ldp-0001")
	f.Add(strings.Repeat("Lockdown: c: x\n", 2*MaxLogLines)+"Lockdown: c: "+strings.Repeat("x", 2*MaxLogLine), "c")
	f.Fuzz(func(t *testing.T, log, comm string) {
		var records []Record
		for line := range strings.Lines(log) {
			records = append(records, Record{Text: strings.TrimSuffix(line, "\n")})
		}
		lines := Naming(records, comm)
		if len(lines) > MaxLogLines {
			t.Errorf("%d lines are kept", len(lines))
		}
		next := 0
		for _, line := range lines {
			i := slices.IndexFunc(records[next:], func(r Record) bool {
				return strings.HasPrefix(r.Text, line) && strings.Contains(r.Text, DenialPrefix+comm+": ")
			})
			if i < 0 || len(line) > MaxLogLine {
				t.Errorf("line %q of %d bytes does not name %q, or is out of order", line, len(line), comm)
			}
			next += i + 1
		}
	})
}
