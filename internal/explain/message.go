package explain

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// denial is a denial line of the kernel's log (lockdown_is_locked_down() in
// security/lockdown/lockdown.c, v6.12).
var denial = regexp.MustCompile(`Lockdown: (.{1,16}): (.+?) is restricted`)

// messages are other lines of the log, by a text that they have.
var messages = []struct{ text, means string }{
	{"Kernel is locked down from", "lockdown was switched on by what follows \"from\": the command line, securityfs, the kernel's configuration, or the firmware on kernels of distributions; it denies nothing yet"},
	{"lockdown_is_locked_down: ", "the kernel suppressed lines of denials, because it prints at most 10 in 5 s; what was denied was denied all the same"},
	{"is rejected", "a module was refused because signatures are required (module.sig_enforce): EKEYREJECTED, and not lockdown's"},
	{"module verification failed: signature and/or required key missing", "a module without a good signature was loaded and taints the kernel: its signature was not required, so lockdown did not lock module_signature"},
	{"avc:  denied  { integrity }", "SELinux's class lockdown (5.6 to 5.15) denied it, and not lockdown"},
	{"avc:  denied  { confidentiality }", "SELinux's class lockdown (5.6 to 5.15) denied it, and not lockdown"},
	{"Tracing disabled due to lockdown", "the kernel booted with tracefs locked, so it is empty"},
	{"kernel is locked down, ignoring table override", "ACPI tables of the initrd were ignored, because acpi_tables was locked when they were read"},
	{"unknown func bpf_probe_read", "a BPF program was refused because it calls a helper that reads kernel memory: under confidentiality that is lockdown's, and the log has a line that names it"},
	{"cannot use helper bpf_probe_read", "a BPF program was refused because it calls a helper that reads kernel memory: under confidentiality that is lockdown's, and the log has a line that names it"},
}

// message explains a line of the log; nil if it is none.
func message(text string) *Answer {
	if m := denial.FindStringSubmatch(text); m != nil {
		for _, info := range lockdown.Reasons() {
			if m[2] == info.Label {
				return &Answer{
					Summary: fmt.Sprintf("lockdown refused the task %s: %s, %s", m[1], info.Reason, info.Level),
					Reasons: []Reason{{Reason: info.Reason}},
				}
			}
		}
		return &Answer{Summary: fmt.Sprintf("lockdown refused the task %s for a reason that the lab does not know: %q", m[1], m[2])}
	}
	for _, m := range messages {
		if strings.Contains(text, m.text) {
			a := &Answer{Summary: m.means}
			switch {
			case strings.Contains(m.text, "bpf_probe_read"):
				a.Reasons = []Reason{{Reason: "bpf_read_kernel"}}
			case strings.Contains(m.text, "Tracing"):
				a.Reasons = []Reason{{Reason: "tracefs"}}
			case strings.Contains(m.text, "table override"):
				a.Reasons = []Reason{{Reason: "acpi_tables"}}
			case strings.Contains(m.text, "module verification"):
				a.Reasons = []Reason{{Reason: "module_signature"}}
			}
			return a
		}
	}
	return nil
}
