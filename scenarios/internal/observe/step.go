package observe

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Step is one act of a finding, and the kernel's answer.
type Step struct {
	Call  string   // open, read, write, or the name of a system call (steps.Names)
	File  string   `json:",omitempty"` // open, read, write: a path, or $NAME of an earlier step's As
	Flags int      `json:",omitempty"` // open, read, write: flags of open(2)
	As    string   `json:",omitempty"` // name under which later steps use the descriptor that the step returns
	Data  string   `json:",omitempty"` // write
	Hex   string   `json:",omitempty"` // write: the data if it is no text
	At    int64    `json:",omitempty"` // read, write: offset of pread(2) or pwrite(2); 0: the descriptor's own position
	Size  int      `json:",omitempty"` // read: bytes of the only read(2); 0: to the end of the file
	Args  []string `json:",omitempty"` // of a system call: see ParseArg
	Times int      `json:",omitempty"` // how often it is done; 0: once. The answer is the last one

	// The answer.

	Err     string   `json:",omitempty"` // symbolic errno; empty: success
	Ret     int64    `json:",omitempty"` // what a system call returned
	Read    string   `json:",omitempty"` // what was read, at most MaxAnswer bytes
	ReadHex string   `json:",omitempty"` // the same if it is no text
	Done    bool     // it was done
	Lines   int      `json:",omitempty"` // denial lines that the kernel logged for this task
	Log     string   `json:",omitempty"` // the first of them
	Logged  []string `json:",omitempty"` // the first lines that the kernel logged, of whatever kind
	LogLost bool     `json:",omitempty"` // it may have logged more for this step than Lines, Log and Logged have
	Denials []Count  `json:",omitempty"` // what the kernel counted for this task
}

// A Count is how often the kernel counted a denial.
type Count struct {
	Label string // of the reason, as the kernel's log names it
	Site  string // of the call, as the kernel names it
	N     int
}

// Bounds of the steps of a finding.
const (
	MaxSteps    = 64
	MaxStepData = 16 << 10 // bytes of all texts of all steps
	MaxTimes    = 1000
	MaxArgs     = 6
	maxZeros    = 64 << 10
)

// An Arg is an argument of a system call.
type Arg struct {
	Number uint64
	File   string // a descriptor: the name that an earlier step gave it
	Bytes  []byte // the call gets a pointer to them
}

// ParseArg reads the text form of an argument: a number, $NAME for a descriptor,
// "text:..." for a text that ends with a NUL, "hex:..." for bytes, or "zeros:N".
func ParseArg(text string) (a Arg, err error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, "$"):
		a.File = text[1:]
	case kind == "text":
		a.Bytes = append([]byte(rest), 0)
	case kind == "hex":
		if a.Bytes, err = hex.DecodeString(rest); err == nil && len(a.Bytes) == 0 {
			err = errors.New("no bytes to point to") // 0 is the argument for no pointer
		}
	case kind == "zeros":
		var n int
		if n, err = strconv.Atoi(rest); err == nil && (n < 1 || n > maxZeros) {
			err = fmt.Errorf("%d zeros, at most %d", n, maxZeros)
		}
		if err == nil {
			a.Bytes = make([]byte, n)
		}
	case strings.HasPrefix(text, "-"):
		var n int64
		n, err = strconv.ParseInt(text, 0, 64)
		a.Number = uint64(n)
	default:
		a.Number, err = strconv.ParseUint(text, 0, 64)
	}
	if err != nil {
		return a, fmt.Errorf("argument %.40q: %w", text, err)
	}
	return a, nil
}

// CheckSteps reports why steps cannot run; nil if they can. known has the names of
// the system calls.
func CheckSteps(list []Step, known func(call string) bool) error {
	if len(list) > MaxSteps {
		return fmt.Errorf("check steps: %d, at most %d", len(list), MaxSteps)
	}
	names, size := map[string]bool{}, 0
	for i, s := range list {
		if err := s.check(names, known); err != nil {
			return fmt.Errorf("check step %d, %.60s: %w", i+1, s.Call, err)
		}
		if s.As != "" {
			names[s.As] = true
		}
		size += len(s.File) + len(s.Data) + len(s.Hex) + len(strings.Join(s.Args, ""))
	}
	if size > MaxStepData {
		return fmt.Errorf("check steps: %d bytes, at most %d", size, MaxStepData)
	}
	return nil
}

// check checks one step. names has the descriptors of the steps before it.
func (s Step) check(names map[string]bool, known func(string) bool) error {
	file := s.Call == "open" || s.Call == "read" || s.Call == "write"
	switch {
	case !file && !known(s.Call):
		return errors.New("no such call")
	case file && s.File == "":
		return errors.New("no file")
	case !file && s.File != "", file && len(s.Args) > 0:
		return errors.New("a call has arguments, and open, read and write have a file")
	case strings.HasPrefix(s.File, "$") && (!names[s.File[1:]] || s.Call == "open"):
		return fmt.Errorf("no step before it opened %s", s.File)
	case !strings.HasPrefix(s.File, "$") && s.File != "" && !strings.HasPrefix(s.File, "/"):
		return errors.New("the path is not absolute")
	case s.At < 0 || s.Size < 0 || s.Size > MaxAnswer || s.Times < 0 || s.Times > MaxTimes || len(s.Args) > MaxArgs:
		return errors.New("a number is out of range")
	case s.Hex != "" && s.Data != "":
		return errors.New("text and bytes")
	}
	if _, err := hex.DecodeString(s.Hex); err != nil {
		return err
	}
	for _, text := range s.Args {
		a, err := ParseArg(text)
		if err == nil && strings.HasPrefix(text, "$") && !names[a.File] {
			err = fmt.Errorf("no step before it opened %s", text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Content is what a read returned, text or not.
func (s Step) Content() string {
	if s.ReadHex != "" {
		b, _ := hex.DecodeString(s.ReadHex) // of a guest: if it is no hex, it is no content
		return string(b)
	}
	return s.Read
}

// Cut reports whether a file may have more than its content, because a read to its end
// stops at MaxAnswer.
func (s Step) Cut() bool { return s.Call == "read" && s.Size == 0 && len(s.Content()) >= MaxAnswer }

// Bytes are what a write writes.
func (s Step) Bytes() []byte {
	if s.Hex != "" {
		b, _ := hex.DecodeString(s.Hex) // checked
		return b
	}
	return []byte(s.Data)
}

// maxShown bounds a text in a printed step, in bytes.
const maxShown = 60

// String prints the step and its answer like strace.
func (s Step) String() string {
	text := s.Act()
	if s.Times > 1 {
		text += fmt.Sprintf(", %d times", s.Times)
	}
	if !s.Done {
		return text + " = not done"
	}
	return text + " = " + s.Answer()
}

// Act prints the step without its answer.
func (s Step) Act() string {
	at := ""
	if s.At != 0 {
		at = fmt.Sprintf(", %#x", s.At)
	}
	p := map[bool]string{true: "p"}[s.At != 0]
	switch s.Call {
	case "open":
		return fmt.Sprintf("open(%q, %s)", s.File, printFlags(s.Flags))
	case "read":
		if s.Size > 0 {
			at = fmt.Sprintf(", %d", s.Size) + at
		}
		return fmt.Sprintf("%sread(%q%s)", p, s.File, at)
	case "write":
		return fmt.Sprintf("%swrite(%q, %s%s)", p, s.File, shown(string(s.Bytes())), at)
	}
	args := make([]string, len(s.Args))
	for i, a := range s.Args {
		args[i] = a
		if text, ok := strings.CutPrefix(a, "text:"); ok {
			args[i] = shown(text)
		} else if len(a) > maxShown {
			args[i] = a[:maxShown] + "..."
		}
	}
	return s.Call + "(" + strings.Join(args, ", ") + ")"
}

// Answer prints what the step returned.
func (s Step) Answer() string {
	switch {
	case s.Err != "":
		return s.Err
	case s.ReadHex != "":
		return "hex " + s.ReadHex[:min(len(s.ReadHex), maxShown)]
	case s.Call == "read":
		return shown(s.Read)
	case s.Call == "open" || s.Call == "write":
		return "ok"
	}
	return strconv.FormatInt(s.Ret, 10)
}

func shown(text string) string {
	if len(text) > maxShown {
		return fmt.Sprintf("%q...", text[:maxShown])
	}
	return strconv.Quote(text)
}

// flagNames are the flags of open(2) that a step may have.
var flagNames = map[string]int{
	"O_RDONLY": unix.O_RDONLY, "O_WRONLY": unix.O_WRONLY, "O_RDWR": unix.O_RDWR, "O_APPEND": unix.O_APPEND, "O_CREAT": unix.O_CREAT,
	"O_DIRECTORY": unix.O_DIRECTORY, "O_DSYNC": unix.O_DSYNC, "O_EXCL": unix.O_EXCL, "O_NOCTTY": unix.O_NOCTTY, "O_NOFOLLOW": unix.O_NOFOLLOW,
	"O_NONBLOCK": unix.O_NONBLOCK, "O_PATH": unix.O_PATH, "O_SYNC": unix.O_SYNC, "O_TRUNC": unix.O_TRUNC,
}

// ParseFlags parses flags of open(2).
func ParseFlags(text string) (flags int, err error) {
	if text == "" {
		return 0, nil
	}
	for _, name := range strings.Split(text, "|") {
		flag, ok := flagNames[name]
		if !ok {
			return 0, fmt.Errorf("unknown flag %.40q of open(2)", name)
		}
		flags |= flag
	}
	return flags, nil
}

// IsErrno reports whether a text is the name of an errno.
func IsErrno(text string) bool {
	for e := unix.Errno(1); e < 200; e++ {
		if unix.ErrnoName(e) == text && text != "" {
			return true
		}
	}
	return false
}

// printFlags prints flags of open(2): the mode, then the others by name.
func printFlags(flags int) string {
	text := []string{[]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "3"}[flags&unix.O_ACCMODE]}
	for _, name := range slices.Sorted(maps.Keys(flagNames)) {
		flag := flagNames[name]
		if flag&unix.O_ACCMODE == 0 && flag != 0 && flags&flag == flag {
			text = append(text, name)
		}
	}
	return strings.Join(text, "|")
}
