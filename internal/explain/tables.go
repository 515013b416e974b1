package explain

import (
	"fmt"
	"path"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// A way is how something that a user saw leads to a reason.
type way struct {
	reason lockdown.Reason
	is     string // what the calls of the lab's rows have of it; empty: nothing
	note   string
}

// A place is files that lockdown checks.
type place struct {
	pattern string // of path.Match; with /** at its end, all files below
	is      string // what the calls of the lab's rows have of it
	reasons []lockdown.Reason
	note    string
}

// places are looked up in order; the first that matches counts. Notes are of v6.12.
var places = []place{
	{"/dev/mem", "/dev/mem", one("dev_mem"), "checked when it is opened; EACCES is the file's mode, and EPERM for a user without CAP_SYS_RAWIO that capability's"},
	{"/dev/kmem", "/dev/mem", one("dev_mem"), "it was removed in 5.13"},
	{"/dev/port", "/dev/port", one("dev_mem"), "checked when it is opened"},
	{"/proc/kcore", "/proc/kcore", one("kcore"), "checked when it is opened"},
	{"/proc/vmcore", "", nil, "lockdown does not check it"},
	{"/dev/cpu/*/msr", "/dev/cpu/0/msr", one("msr"), "writes are refused and reads are not; EIO is the processor's, which does not have the register or refuses the value"},
	{"/dev/snapshot", "/dev/snapshot", one("hibernation"), "checked when it is opened"},
	{"/sys/power/state", "/sys/power/state", one("hibernation"), "the file lacks \"disk\", and each read of it logs a denial"},
	{"/sys/power/disk", "/sys/power/disk", one("hibernation"), ""},
	{"/sys/power/resume", "/sys/power/resume", one("hibernation"), "only a write is refused"},
	{"/sys/kernel/config/acpi/table/**", "/sys/kernel/config/acpi/table", one("acpi_tables"), ""},
	{"/sys/kernel/debug/acpi/custom_method", "", one("acpi_tables"), "6.1 has it, 6.12 has not"},
	{"/sys/bus/pci/devices/*/config", ".../config", one("pci_access"), "writes are refused and reads are not"},
	{"/sys/devices/pci*/**", ".../", one("pci_access"), "writes of config, writes of an I/O resource and mappings of resources are refused; reads are not"},
	{"/sys/bus/pci/devices/*/resource*", ".../resource", one("pci_access"), "mapping it, and writing an I/O resource, is refused; opening is not"},
	{"/proc/bus/pci/**", "/proc/bus/pci", one("pci_access"), "writes, mappings and ioctls are refused; reads are not"},
	{"/dev/efi_test", "/dev/efi_test", one("efi_test"), "checked when it is opened"},
	{"/dev/ttyS*", "/dev/ttyS", one("tiocsserial"), "only TIOCSSERIAL with another port or interrupt is refused"},
	{"/dev/tty[0-9]*", "/dev/tty0", one("ioport"), "KDADDIO and KDENABIO are refused, and answer ENXIO"},
	{"/sys/module/*/parameters/*", "/sys/module", one("module_parameters"), "only parameters that are declared to steer hardware are refused"},
	{"/sys/kernel/debug/tracing/**", "/sys/kernel/tracing", one("tracefs"), tracefsNote},
	{"/sys/kernel/debug/tracing", "/sys/kernel/debug/tracing", one("tracefs"), tracefsNote},
	{"/sys/kernel/tracing/kprobe_events", "/sys/kernel/tracing/kprobe_events", []lockdown.Reason{"tracefs", "kprobes"}, tracefsNote},
	{"/sys/kernel/tracing/dynamic_events", "/sys/kernel/tracing/dynamic_events", []lockdown.Reason{"tracefs", "kprobes"}, tracefsNote + "; not checked before 1da3f145ede4 (September 2025)"},
	{"/sys/kernel/tracing/**", "/sys/kernel/tracing", one("tracefs"), tracefsNote},
	{"/sys/kernel/tracing", "/sys/kernel/tracing", one("tracefs"), tracefsNote},
	{"/sys/kernel/debug/**", "/sys/kernel/debug", one("debugfs"), debugfsNote},
	{"/proc/sysrq-trigger", "/proc/sysrq-trigger", []lockdown.Reason{"dbg_write_kernel", "dbg_read_kernel"}, "the file itself is not checked; the debugger that \"g\" enters is"},
	{"/proc/powerpc/ofdt", "", one("device_tree"), "powerpc only"},
	{"/dev/xen/privcmd", "", one("xen_user_actions"), "since 7.0, in a Xen domU"},
	{"/dev/vfio/**", "/dev/vfio", one("pci_access"), "lockdown does not check VFIO: noiommu mode is a known gap"},
	{"/sys/kernel/security/lockdown", "", nil, "EPERM means that the level is not higher than the one in force, EINVAL that it is no level, EACCES that the user is not root"},
	{"/sys/kernel/security/lockdown_reasons", "", nil, "the file is the lab's, and not mainline's"},
	{"/sys/fs/bpf/**", "", []lockdown.Reason{"bpf_read_kernel", "bpf_write_user"}, "programs are checked when they are loaded"},
}

const (
	tracefsNote = "locked at boot the file does not exist (ENOENT), and locked later it does not open (EPERM)"
	debugfsNote = "a file opens for reading if its mode has no bit outside 0444 and it has no ioctl and no mmap"
)

func one(r lockdown.Reason) []lockdown.Reason { return []lockdown.Reason{r} }

// debugfsModes are the modes of files of debugfs that tools use, of v6.12. The
// first pattern that matches counts.
var debugfsModes = []struct {
	pattern string
	mode    int
}{
	{"ec/ec*/io", 0o600},  // drivers/acpi/ec_sys.c:acpi_ec_add_debugfs, with write_support; else 0400
	{"ec/ec*/gpe", 0o444}, // the same
	{"ec/ec*/use_global_lock", 0o444},
	{"kprobes/blacklist", 0o400},     // kernel/kprobes.c:debugfs_kprobe_init
	{"kprobes/list", 0o400},          // the same
	{"kprobes/enabled", 0o600},       // the same
	{"clear_warn_once", 0o200},       // kernel/panic.c:register_warn_debugfs
	{"sched/features", 0o644},        // kernel/sched/debug.c:sched_init_debug
	{"sched/preempt", 0o644},         // the same
	{"sched/verbose", 0o644},         // the same
	{"sched/debug", 0o444},           // the same
	{"sched/base_slice_ns", 0o644},   // the same
	{"sched/*_ns", 0o644},            // the same, older kernels
	{"dynamic_debug/control", 0o644}, // lib/dynamic_debug.c:dynamic_debug_init_control
}

// modeOf is the mode of a file of debugfs: what the user gave, or what the table has;
// below 0: not known.
func modeOf(file string, in input) int {
	if in.mode >= 0 {
		return in.mode
	}
	for _, m := range debugfsModes {
		if ok, _ := path.Match("/sys/kernel/debug/"+m.pattern, file); ok {
			return m.mode
		}
	}
	return -1
}

// waysOf are the ways of a file.
func waysOf(file string, in input) (ways []way) {
	for _, p := range places {
		if !p.matches(file) {
			continue
		}
		note := p.note
		if note == debugfsNote {
			note = debugfsRule(file, in)
		}
		if len(p.reasons) == 0 {
			return []way{{note: note}}
		}
		for _, r := range p.reasons {
			ways = append(ways, way{reason: r, is: p.is, note: note})
		}
		return ways
	}
	return nil
}

func (p place) matches(file string) bool {
	if below, ok := strings.CutSuffix(p.pattern, "/**"); ok {
		// The pattern has as many elements as the directory of the file that it is for.
		n := strings.Count(below, "/")
		parts := strings.SplitN(file, "/", n+2)
		if len(parts) < n+2 {
			return false
		}
		ok, _ := path.Match(below, strings.Join(parts[:n+1], "/"))
		return ok
	}
	ok, _ := path.Match(p.pattern, file)
	return ok
}

// debugfsRule is why a file of debugfs is refused, or that it is not
// (debugfs_locked_down() in fs/debugfs/file.c, v6.12).
func debugfsRule(file string, in input) string {
	mode := modeOf(file, in)
	switch {
	case in.owner:
		return "a change of the mode or the owner of a file of debugfs is refused"
	case in.writes:
		return "a file that is opened for writing is refused, whatever its mode"
	case mode < 0:
		return debugfsNote
	case mode&^0o444 != 0:
		return fmt.Sprintf("%#o is not 0444", mode)
	}
	return fmt.Sprintf("%#o has no bit outside 0444, so it opens for reading unless it has an ioctl or mmap; before 358fcf5ddbec only 0444 did", mode)
}

// callNotes are what is to be known of system calls.
var callNotes = map[string]string{
	"kexec_load":      "kexec_file_load of a signed image is not refused",
	"kexec_file_load": "an image with a signature that the kernel trusts is not refused",
	"init_module":     moduleNote,
	"finit_module":    moduleNote,
	"ioperm":          "without CAP_SYS_RAWIO it is EPERM, too",
	"iopl":            "without CAP_SYS_RAWIO it is EPERM, too",
	"bpf":             "only programs with helpers that read kernel memory or write user memory are refused, when they are loaded, with EINVAL and \"unknown func\" or \"cannot use helper\"",
	"perf_event_open": "only samples of the kernel's registers and kprobes are refused; EACCES is that of perf_event_paranoid",
}

const moduleNote = "EPERM with a line of lockdown in the log is lockdown's; EKEYREJECTED is that of module.sig_enforce or of a wrong signature"

// lockdowns are the errnos that lockdown itself causes, of v6.12.
var lockdowns = []string{"EPERM", "EINVAL", "ENXIO", "ENOENT"}

// errnos are the errnos that are known, each with whether it is lockdown's.
var errnos = map[string]string{
	"EPERM":        "lockdown's usual answer, and also that of capabilities, sysctls and other security modules; it is lockdown's if the kernel logs \"Lockdown: TASK: ... is restricted\"",
	"EACCES":       "not lockdown's: a file's mode, perf_event_paranoid, or another security module",
	"EINVAL":       "lockdown's only for bpf(2), whose verifier then does not know the helper, and for what names no level in lockdown's own file",
	"ENXIO":        "lockdown's only for KDADDIO and KDENABIO on a console (I/O ports)",
	"ENOENT":       "lockdown's only in tracefs, which is empty if it was locked at boot",
	"EKEYREJECTED": "not lockdown's: module.sig_enforce, or a signature that is wrong",
	"ENOKEY":       "not lockdown's: no key for the signature; under lockdown that is EPERM",
	"ENOPKG":       "not lockdown's: no code for the algorithm of the signature; under lockdown that is EPERM",
	"EBADMSG":      "not lockdown's: a signature that cannot be parsed",
	"EKEYREVOKED":  "not lockdown's: the key of the signature was revoked",
	"EKEYEXPIRED":  "not lockdown's: the key of the signature has expired",
	"EIO":          "not lockdown's: the hardware refuses, such as a register that the processor does not have",
	"ENOEXEC":      "not lockdown's: the file is no module or image; under lockdown it is refused with EPERM before that is looked at",
	"ENODEV":       "not lockdown's: there is no such device",
	"ENOSYS":       "not lockdown's: the kernel does not have the call",
	"ENOTTY":       "not lockdown's: the file does not know the ioctl",
	"EOPNOTSUPP":   "not lockdown's: the kernel or the device cannot do that",
	"EBUSY":        "not lockdown's: something else uses the object",
	"EROFS":        "not lockdown's: the file system is read-only",
	"ETXTBSY":      "not lockdown's: the file is open for writing",
	"EFAULT":       "not lockdown's: a pointer is wrong",
	"EBADF":        "not lockdown's: the descriptor is wrong",
	"ENOMEM":       "not lockdown's: there is no memory",
}
