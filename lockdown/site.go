package lockdown

import "strings"

// A Site is a call of security_locked_down() in a kernel's machine code.
type Site struct {
	Name     string // as the lab's kernels print the return address: symbol+0xoffset/0xsize, with ",N" after a symbol that is not the only one, then " [module]" of a module's
	Module   string `json:",omitempty"` // empty for the kernel itself
	File     string `json:",omitempty"` // in the source tree; this and what follows are empty where the kernel does not say
	Function string `json:",omitempty"` // in the source: an inlined one is not the symbol in Name
	Line     int    `json:",omitempty"`
	Reason   Reason `json:",omitempty"` // what it asks for
	Tail     bool   `json:",omitempty"` // it is a jump: what the kernel prints is the caller of the function it is in
}

// Where is file:function, by which people and tables name a call.
func (s Site) Where() string { return where(s.File, s.Function) }

// A SourceSite is a call of security_locked_down() in the source of a kernel,
// compiled or not.
type SourceSite struct {
	File     string
	Function string
	Line     int
	Reason   Reason
}

// Where is file:function, by which people and tables name a call.
func (s SourceSite) Where() string { return where(s.File, s.Function) }

func where(file, function string) string {
	if file == "" {
		return ""
	}
	return file + ":" + function
}

// Sites is where a kernel asks lockdown.
type Sites struct {
	Present []Site       // in the machine code, by name
	Source  []SourceSite // in the source, by file and line
}

// enumPrefix is what the enumerators of enum lockdown_reason begin with.
const enumPrefix = "LOCKDOWN_"

// ParseReason takes an enumerator (LOCKDOWN_KEXEC); ok is false where it is
// none. Reasons that the lab does not know are reasons too.
func ParseReason(enumerator string) (r Reason, ok bool) {
	token, ok := strings.CutPrefix(enumerator, enumPrefix)
	if !ok || token == "" || strings.ToUpper(token) != token {
		return "", false
	}
	return Reason(strings.ToLower(token)), true
}
