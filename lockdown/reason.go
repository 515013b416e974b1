// Package lockdown is the domain of the lab: reasons, levels, settings, and a
// pure model of what a kernel must answer. It does no I/O.
package lockdown

import "fmt"

// A Level is one of the kernel's lockdown levels.
type Level int

// The levels, in the order in which they include each other.
const (
	None Level = iota
	Integrity
	Confidentiality
)

var levelNames = [...]string{"none", "integrity", "confidentiality"}

func (l Level) String() string { return levelNames[l] }

// ParseLevel parses the kernel's name of a level.
func ParseLevel(s string) (Level, error) {
	for i, n := range levelNames {
		if n == s {
			return Level(i), nil
		}
	}
	return None, fmt.Errorf("unknown level %q", s)
}

// MarshalText returns the kernel's name of the level.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText parses the kernel's name of a level.
func (l *Level) UnmarshalText(b []byte) (err error) { *l, err = ParseLevel(string(b)); return }

// A Reason is an entry of the kernel's enum lockdown_reason. It is named by its
// stable token: the enumerator without its prefix, in lower case. The numbers
// are never used: they change within stable series (XEN_USER_ACTIONS shifted
// nine of them).
type Reason string

// A ReasonInfo describes a reason.
type ReasonInfo struct {
	Reason Reason
	Level  Level  // the lowest level that locks it
	Label  string // the kernel's text for it in the denial message
}

// reasons is enum lockdown_reason (include/linux/security.h) with
// lockdown_reasons[] (security/security.c), v6.12.117, in the kernel's order
// and without the markers NONE, INTEGRITY_MAX and CONFIDENTIALITY_MAX.
var reasons = []ReasonInfo{
	{"module_signature", Integrity, "unsigned module loading"},
	{"dev_mem", Integrity, "/dev/mem,kmem,port"},
	{"efi_test", Integrity, "/dev/efi_test access"},
	{"kexec", Integrity, "kexec of unsigned images"},
	{"hibernation", Integrity, "hibernation"},
	{"pci_access", Integrity, "direct PCI access"},
	{"ioport", Integrity, "raw io port access"},
	{"msr", Integrity, "raw MSR access"},
	{"acpi_tables", Integrity, "modifying ACPI tables"},
	{"device_tree", Integrity, "modifying device tree contents"},
	{"pcmcia_cis", Integrity, "direct PCMCIA CIS storage"},
	{"tiocsserial", Integrity, "reconfiguration of serial port IO"},
	{"module_parameters", Integrity, "unsafe module parameters"},
	{"mmiotrace", Integrity, "unsafe mmio"},
	{"debugfs", Integrity, "debugfs access"},
	{"xmon_wr", Integrity, "xmon write access"},
	{"bpf_write_user", Integrity, "use of bpf to write user RAM"},
	{"dbg_write_kernel", Integrity, "use of kgdb/kdb to write kernel RAM"},
	{"rtas_error_injection", Integrity, "RTAS error injection"},
	{"xen_user_actions", Integrity, "Xen guest user action"},
	{"kcore", Confidentiality, "/proc/kcore access"},
	{"kprobes", Confidentiality, "use of kprobes"},
	{"bpf_read_kernel", Confidentiality, "use of bpf to read kernel RAM"},
	{"dbg_read_kernel", Confidentiality, "use of kgdb/kdb to read kernel RAM"},
	{"perf", Confidentiality, "unsafe use of perf"},
	{"tracefs", Confidentiality, "use of tracefs"},
	{"xmon_rw", Confidentiality, "xmon read and write access"},
	{"xfrm_secret", Confidentiality, "xfrm SA secret"},
}

// Reasons lists every reason, in the kernel's order.
func Reasons() []ReasonInfo { return append([]ReasonInfo(nil), reasons...) }

// Tokens lists the token of every reason, in the kernel's order.
func Tokens() []string {
	var t []string
	for _, r := range reasons {
		t = append(t, string(r.Reason))
	}
	return t
}

// Info looks up a reason; ok is false if there is no such reason.
func Info(r Reason) (info ReasonInfo, ok bool) {
	for _, i := range reasons {
		if i.Reason == r {
			return i, true
		}
	}
	return ReasonInfo{}, false
}
