package explain

import (
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// An alias is a word of users and of other programs' messages for something that
// lockdown checks, or that is easily taken for it.
type alias struct {
	words   string // in lower case
	reasons []lockdown.Reason
	call    string // a system call; the word has its ways
	note    string
}

// aliases are ioctls, helpers of BPF, kernel parameters, sysctls and tools. Notes are of v6.12.
var aliases = []alias{
	{"insmod modprobe kmod", nil, "finit_module", ""},
	{"sig_enforce", one("module_signature"), "", "module.sig_enforce refuses a module without a good signature, too, with EKEYREJECTED or ENOKEY"},
	{"setserial tiocsserial", one("tiocsserial"), "", "only another port or interrupt is refused"},
	{"kdaddio kdenabio", one("ioport"), "", "it answers ENXIO"},
	{"flashrom outb inb", one("ioport"), "", ""},
	{"setpci pciioc_write_combine pciioc_mmap_is_io pciioc_mmap_is_mem", one("pci_access"), "", "writes are refused and reads are not"},
	{"wrmsr x86_ioc_wrmsr_regs", one("msr"), "", "writes are refused and reads are not"},
	{"rdmsr turbostat x86_ioc_rdmsr_regs", one("msr"), "", "reads are not refused; only writes are"},
	{"bpf_probe_read_kernel bpf_probe_read_kernel_str bpf_probe_read bpf_probe_read_str bpftrace", one("bpf_read_kernel"), "", "a program that calls it is refused when it is loaded, with EINVAL"},
	{"bpf_probe_write_user", one("bpf_write_user"), "", "a program that calls it is refused when it is loaded, with EINVAL"},
	{"kgdb kdb kgdboc gdbserver", []lockdown.Reason{"dbg_write_kernel", "dbg_read_kernel"}, "", "integrity lets the debugger read and not write; confidentiality refuses it"},
	{"hibernate pm-hibernate", one("hibernation"), "", ""},
	{"trace-cmd perf-tools ftrace", one("tracefs"), "", tracefsNote},
	{"acpi_rsdp acpi_table_upgrade", one("acpi_tables"), "", ""},
	{"kexec_load_disabled", nil, "", "this sysctl refuses kexec by itself, with EPERM, and has nothing to do with lockdown"},
	{"modules_disabled", nil, "", "this sysctl refuses every module, with EPERM, and has nothing to do with lockdown"},
	{"unprivileged_bpf_disabled", nil, "", "this sysctl refuses bpf(2) to users without CAP_BPF, with EPERM, and has nothing to do with lockdown"},
	{"perf_event_paranoid", nil, "", "this sysctl refuses with EACCES, and has nothing to do with lockdown"},
	{"kptr_restrict dmesg_restrict", nil, "", "this sysctl hides addresses or the log from users without a capability, and has nothing to do with lockdown"},
	{"sysrq", []lockdown.Reason{"dbg_write_kernel", "dbg_read_kernel"}, "", "the keys themselves are not refused; the debugger that \"g\" enters is"},
	{"ptrace_scope", nil, "", "this sysctl is Yama's, and has nothing to do with lockdown"},
}

// aliasWays are the ways of a word; known is false if it is no alias.
func aliasWays(word string) (ways []way, known bool) {
	word = lower(word)
	if r, ok := lockdown.ParseReason(strings.ToUpper(word)); ok && isReason(string(r)) {
		return []way{{reason: r}}, true
	}
	for _, a := range aliases {
		if !has(a.words, word) {
			continue
		}
		switch {
		case a.call != "":
			return callWays(a.call), true
		case len(a.reasons) == 0:
			return []way{{note: a.note}}, true
		}
		for _, r := range a.reasons {
			ways = append(ways, way{reason: r, note: a.note})
		}
		return ways, true
	}
	return nil, false
}

// has reports whether a list of words has a word.
func has(list, word string) bool {
	return word != "" && !strings.Contains(word, " ") && strings.Contains(" "+list+" ", " "+word+" ")
}

// level explains a level of lockdown, as its file, the command line and the kernel's enum
// name it; nil if the text is none.
func level(text string) *Answer {
	text = lower(text)
	for _, prefix := range []string{"lockdown=", "lockdown_"} {
		text = strings.TrimPrefix(text, prefix)
	}
	switch strings.TrimSuffix(text, "_max") {
	case "integrity":
		return &Answer{Summary: "integrity: a level of lockdown, which locks every reason by which root could change the running kernel: \"ldlab list settings\""}
	case "confidentiality":
		return &Answer{Summary: "confidentiality: the highest level of lockdown, which locks every reason of integrity, and those by which root could read the kernel's memory: \"ldlab list settings\""}
	}
	return nil
}
