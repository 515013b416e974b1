package identity

import "golang.org/x/sys/unix"

// kinds are the kinds of namespaces that a process may be started in. In another
// user namespace root has no capability that a check of lockdown comes after, and
// another time namespace takes two processes.
var kinds = []struct {
	name string // in /proc/self/ns
	flag uintptr
}{
	{"mnt", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC},
	{"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP},
}

// Namespaces names the kinds that this kernel has.
func Namespaces() (names []string) {
	for _, k := range kinds {
		if has(k.name) {
			names = append(names, k.name)
		}
	}
	return names
}

// NamespaceFlags are the flags of clone(2) for a namespace of each kind that this
// kernel has.
func NamespaceFlags() (flags uintptr) {
	for _, k := range kinds {
		if has(k.name) {
			flags |= k.flag
		}
	}
	return flags
}

func has(name string) bool { return unix.Access("/proc/self/ns/"+name, unix.F_OK) == nil }
