package lockdown

import "strings"

// A Site is a call of security_locked_down() in a kernel's machine code.
type Site struct {
	Name     string // return address as the lab's kernels print it: symbol+0xoffset/0xsize, with ",N" after an ambiguous symbol, and " [module]" if it is in a module
	Module   string `json:",omitempty"` // empty for the kernel itself
	File     string `json:",omitempty"` // path in the source tree; this and the following fields are empty if the kernel has no such information
	Function string `json:",omitempty"` // name in the source; an inlined function differs from the symbol in Name
	Line     int    `json:",omitempty"`
	Reason   Reason `json:",omitempty"` // the reason that it checks
	Tail     bool   `json:",omitempty"` // a tail call (jump): the kernel prints the caller of the function that contains it
}

// Where is file:function, the name of the call in tables.
func (s Site) Where() string { return where(s.File, s.Function) }

// A SourceSite is a call of security_locked_down() in a kernel's source,
// compiled or not.
type SourceSite struct {
	File     string
	Function string
	Line     int
	Reason   Reason
}

// Where is file:function, the name of the call in tables.
func (s SourceSite) Where() string { return where(s.File, s.Function) }

// A Caller is a way into a call site of security_locked_down(): user space, or
// the kernel's boot, reaches the site through it.
type Caller struct {
	Site string // Where of the site

	// Name is of the source, and the same on every architecture. Of a function
	// that a table holds, it is both: tracing_readme_fops:tracing_open_generic.
	// Of one whose address other code takes, it is the function's:
	// instance_mkdir. Of a system call it is sys_reboot, or
	// compat_sys_kexec_load, and of all code that runs during boot only,
	// CallerBoot.
	Name string

	// Times is how often a table holds the function, as for ioctl and
	// compat_ioctl; otherwise 1.
	Times int
}

// CallerBoot is the Name of all callers that run during boot only. They are no way
// in for user space.
const CallerBoot = "boot"

func where(file, function string) string {
	if file == "" {
		return ""
	}
	return file + ":" + function
}

// Sites lists the lockdown call sites of a kernel, and what they can check.
type Sites struct {
	Present []Site        // in the machine code, by name
	Source  []SourceSite  // in the source, by file and line
	Reasons KernelReasons `json:",omitempty"` // of the source; nil: not known
}

// enumPrefix is the prefix of the enumerators of enum lockdown_reason.
const enumPrefix = "LOCKDOWN_"

// ParseReason parses an enumerator (LOCKDOWN_KEXEC); ok is false if it is not
// one. A reason that the lab does not know is valid.
func ParseReason(enumerator string) (r Reason, ok bool) {
	token, ok := strings.CutPrefix(enumerator, enumPrefix)
	if !ok || token == "" || strings.ToUpper(token) != token {
		return "", false
	}
	return Reason(strings.ToLower(token)), true
}
