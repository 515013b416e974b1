package steps

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// common are the system calls that a step may make on each architecture. The list
// has what findings use, and what a finding about lockdown is likely to use.
var common = map[string]uintptr{
	"add_key":         unix.SYS_ADD_KEY,
	"bpf":             unix.SYS_BPF,
	"chdir":           unix.SYS_CHDIR,
	"chroot":          unix.SYS_CHROOT,
	"close":           unix.SYS_CLOSE,
	"delete_module":   unix.SYS_DELETE_MODULE,
	"dup":             unix.SYS_DUP,
	"fchmodat":        unix.SYS_FCHMODAT,
	"fchownat":        unix.SYS_FCHOWNAT,
	"finit_module":    unix.SYS_FINIT_MODULE,
	"init_module":     unix.SYS_INIT_MODULE,
	"ioctl":           unix.SYS_IOCTL,
	"kexec_file_load": unix.SYS_KEXEC_FILE_LOAD,
	"kexec_load":      unix.SYS_KEXEC_LOAD,
	"linkat":          unix.SYS_LINKAT,
	"lseek":           unix.SYS_LSEEK,
	"memfd_create":    unix.SYS_MEMFD_CREATE,
	"mkdirat":         unix.SYS_MKDIRAT,
	"mknodat":         unix.SYS_MKNODAT,
	"mmap":            unix.SYS_MMAP,
	"mount":           unix.SYS_MOUNT,
	"openat":          unix.SYS_OPENAT,
	"perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"personality":     unix.SYS_PERSONALITY,
	"prctl":           unix.SYS_PRCTL,
	"reboot":          unix.SYS_REBOOT,
	"setresgid":       unix.SYS_SETRESGID,
	"setresuid":       unix.SYS_SETRESUID,
	"socket":          unix.SYS_SOCKET,
	"symlinkat":       unix.SYS_SYMLINKAT,
	"syslog":          unix.SYS_SYSLOG,
	"umount2":         unix.SYS_UMOUNT2,
	"unlinkat":        unix.SYS_UNLINKAT,
	"unshare":         unix.SYS_UNSHARE,
	"utimensat":       unix.SYS_UTIMENSAT,
}

// numbers are the system calls of this architecture.
var numbers = func() map[string]uintptr {
	all := maps.Clone(common)
	maps.Copy(all, own)
	return all
}()

// onlyX86 are the calls that x86_64 has and arm64 has not. A step that makes one on
// arm64 gets ENOSYS.
var onlyX86 = []string{"ioperm", "iopl"}

var missing = func() map[string]bool {
	list := map[string]bool{}
	for _, name := range onlyX86 {
		list[name] = true
	}
	return list
}()

// Names lists the system calls.
func Names() []string {
	return slices.Sorted(maps.Keys(merged()))
}

func merged() map[string]bool {
	all := maps.Clone(missing)
	for name := range numbers {
		all[name] = true
	}
	return all
}
