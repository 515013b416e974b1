package lockdown

import "fmt"

// A Step is one act on lockdown's interface and the kernel's answer. The
// guest records steps, the model predicts them, and any difference is a
// deviation.
type Step struct {
	Op   string // "read" or "write"
	File string
	Data string // write: what was written; read: what came back
	Err  string `json:",omitempty"` // symbolic errno, empty for success
}

// String prints the step like strace.
func (s Step) String() string {
	ret := s.Err
	switch {
	case s.Op == "read" && ret == "":
		return fmt.Sprintf("read(%q) = %q", s.File, s.Data)
	case s.Op == "read":
		return fmt.Sprintf("read(%q) = %s", s.File, ret)
	case ret == "":
		ret = fmt.Sprint(len(s.Data))
	}
	return fmt.Sprintf("write(%q, %.80q) = %s", s.File, s.Data, ret)
}
