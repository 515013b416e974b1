package lockdown

import (
	"fmt"
	"unicode/utf8"
)

// An Op is one operation on a lockdown file and the kernel's answer. The guest
// records operations, the model predicts them, and any difference is a
// deviation.
type Op struct {
	Call string // "read" or "write"
	File string
	Data string // write: the data to write; read: the data read
	Err  string `json:",omitempty"` // symbolic errno, empty for success

	// At is the offset of a pread(2) or pwrite(2). If it is 0, the operation is
	// a read(2) or write(2) at the descriptor's own position.
	At int64 `json:",omitempty"`

	// Same runs the operation on the descriptor of the one before it, which has
	// the same file and group.
	Same bool `json:",omitempty"`

	// Group is the number shared by consecutive operations that run
	// concurrently, or 0. Each runs in its own thread, but an operation with
	// Same runs in the thread of the one before it, after it.
	Group int `json:",omitempty"`
}

// String prints the operation like strace.
func (s Op) String() string {
	call, at := s.Call, ""
	if s.At != 0 {
		call, at = "p"+s.Call, fmt.Sprintf(", %d", s.At)
	}
	if s.Call == "read" {
		return fmt.Sprintf("%s(%q%s) = %s", call, s.File, at, s.Returned())
	}
	data := fmt.Sprintf("%.80q", s.Data)
	if utf8.RuneCountInString(s.Data) > 80 {
		data += fmt.Sprintf("..., %d", len(s.Data))
	}
	return fmt.Sprintf("%s(%q, %s%s) = %s", call, s.File, data, at, s.Returned())
}

// Returned is what the operation returned, as strace prints it: an errno, the
// data read, or the number of bytes written.
func (s Op) Returned() string {
	switch {
	case s.Err != "":
		return s.Err
	case s.Call == "read":
		return fmt.Sprintf("%q", s.Data)
	}
	return fmt.Sprint(len(s.Data))
}

// Bounds of a sequence.
const (
	maxOps     = 1024 // in a sequence
	MaxWriters = 4    // in a group; every order of them is tried
	maxAtOnce  = 8    // in a group
)

// CheckSequence reports why a sequence cannot run; nil if it can.
func CheckSequence(ops []Op) error {
	if len(ops) > maxOps {
		return fmt.Errorf("check sequence: %d operations, at most %d", len(ops), maxOps)
	}
	for i, s := range ops {
		var why string
		switch {
		case s.Call != "read" && s.Call != "write":
			why = "neither read nor write"
		case s.File != LevelFile && s.File != ReasonsFile:
			why = "not a lockdown file"
		case s.At < 0:
			why = "before the start of the file"
		case s.Same && (i == 0 || ops[i-1].File != s.File || ops[i-1].Group != s.Group):
			why = "no operation before it has its descriptor"
		}
		if why != "" {
			return fmt.Errorf("check sequence: operation %d, %s: %s", i+1, s, why)
		}
	}
	for _, part := range Parts(ops) {
		if w := Writers(part); len(w) > MaxWriters || len(part) > maxAtOnce && part[0].Group != 0 {
			return fmt.Errorf("check sequence: %d operations of %d writers at once, at most %d of %d", len(part), len(w), maxAtOnce, MaxWriters)
		}
	}
	return nil
}

// Parts splits a sequence into groups and runs of operations on one descriptor.
func Parts(ops []Op) [][]Op {
	var parts [][]Op
	for i, s := range ops {
		if n := len(parts) - 1; i > 0 && (s.Group != 0 && s.Group == ops[i-1].Group || s.Group == 0 && s.Same) {
			parts[n] = append(parts[n], s)
		} else {
			parts = append(parts, []Op{s})
		}
	}
	return parts
}

// Writers splits a part into threads: consecutive operations on one descriptor.
func Writers(part []Op) [][]Op {
	var writers [][]Op
	for _, s := range part {
		if n := len(writers) - 1; n >= 0 && s.Same {
			writers[n] = append(writers[n], s)
		} else {
			writers = append(writers, []Op{s})
		}
	}
	return writers
}
