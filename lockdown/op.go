package lockdown

import (
	"fmt"
	"unicode/utf8"
)

// A Op is one act on lockdown's interface and the kernel's answer. The
// guest records steps, the model predicts them, and any difference is a
// deviation.
type Op struct {
	Call string // "read" or "write"
	File string
	Data string // write: what was written; read: what came back
	Err  string `json:",omitempty"` // symbolic errno, empty for success

	// At is where a pread(2) or pwrite(2) is done; 0: a read(2) or write(2),
	// at the descriptor's own position.
	At int64 `json:",omitempty"`

	// Same says that the step is done on the descriptor of the one before it,
	// which is of the same file and group.
	Same bool `json:",omitempty"`

	// Group is not 0 for steps that are done at one moment: those in a row
	// with one number. Each is done by a thread of its own, but for the Same
	// ones, which the thread of the step before them does after it.
	Group int `json:",omitempty"`
}

// String prints the step like strace.
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

// Returned is what the operation returned, as strace prints it: an errno, the data
// read, or the number of bytes written.
func (s Op) Returned() string {
	switch {
	case s.Err != "":
		return s.Err
	case s.Call == "read":
		return fmt.Sprintf("%q", s.Data)
	}
	return fmt.Sprint(len(s.Data))
}

// Bounds of a script.
const (
	maxOps     = 1024 // of a script
	MaxWriters = 4    // of a group; their orders are searched
	maxAtOnce  = 8    // steps of a group
)

// CheckSequence says why steps cannot be played; nil if they can.
func CheckSequence(steps []Op) error {
	if len(steps) > maxOps {
		return fmt.Errorf("check script: %d steps, at most %d", len(steps), maxOps)
	}
	for i, s := range steps {
		var why string
		switch {
		case s.Call != "read" && s.Call != "write":
			why = "neither read nor write"
		case s.File != LevelFile && s.File != ReasonsFile:
			why = "not a file of lockdown's"
		case s.At < 0:
			why = "before the start of the file"
		case s.Same && (i == 0 || steps[i-1].File != s.File || steps[i-1].Group != s.Group):
			why = "no step before it has its descriptor"
		}
		if why != "" {
			return fmt.Errorf("check script: step %d, %s: %s", i+1, s, why)
		}
	}
	for _, part := range Parts(steps) {
		if w := Writers(part); len(w) > MaxWriters || len(part) > maxAtOnce && part[0].Group != 0 {
			return fmt.Errorf("check script: %d steps of %d writers at once, at most %d of %d", len(part), len(w), maxAtOnce, MaxWriters)
		}
	}
	return nil
}

// Parts cuts a script where one act ends and the next begins: a group, or the
// steps on one descriptor.
func Parts(steps []Op) [][]Op {
	var parts [][]Op
	for i, s := range steps {
		if n := len(parts) - 1; i > 0 && (s.Group != 0 && s.Group == steps[i-1].Group || s.Group == 0 && s.Same) {
			parts[n] = append(parts[n], s)
		} else {
			parts = append(parts, []Op{s})
		}
	}
	return parts
}

// Writers deals a part out to threads: the steps that follow each other on one
// descriptor.
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
