// Package history owns the history of nightly runs: a file with one line of JSON a
// night, to which lines are only appended. Charts and comparisons need no more of a
// night than its line, so the night itself may be gone.
package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ldlab/ldlab/matrix"
)

// File is the name of the file in the directory of the nights.
const File = "history.jsonl"

// Limits of what is read.
const (
	maxLine   = 1 << 20 // bytes; a night has less than 10 KiB
	maxNights = 5000    // the last ones are kept
)

// A Night is one line.
type Night struct {
	Name    string    // of its directory: a day, and -2 and so on if it is not the day's first
	Begun   time.Time // UTC, whole seconds
	Ended   time.Time
	Lab     string   // version
	Commit  string   `json:",omitempty"` // of the lab's source; with +dirty if that was changed
	Table   string   // digest of the lab's tables: with another one, verdicts may differ for that
	Machine string   // its name and processor
	Failed  []string `json:",omitempty"` // steps
	Kernels []Kernel `json:",omitempty"`

	Line int `json:"-"` // of the file that it was read from, counted from 1
}

// A Note is what is wrong with a line of a history.
type Note struct {
	Line  int
	Clock bool // its night began before the one above it; otherwise the line is left out
	Text  string
}

func (n Note) String() string { return n.Text }

// A Kernel is what a run of the night counted of one kernel on one architecture.
type Kernel struct {
	Run    string // name of its directory
	Kernel string
	Base   string `json:",omitempty"` // version of its source
	Arch   string
	Counts map[matrix.Verdict]int
}

// Seconds is how long the night took; 0 if the clock went backwards.
func (n Night) Seconds() float64 { return max(0, n.Ended.Sub(n.Begun).Seconds()) }

// Count counts the verdicts of a run for a line.
func Count(run string, m *matrix.Matrix) (list []Kernel) {
	for _, t := range m.Tables {
		one := matrix.Matrix{Tables: []matrix.Table{t}}
		list = append(list, Kernel{Run: run, Kernel: t.Kernel, Base: t.Origin.BaseVersion, Arch: t.Arch, Counts: one.Count()})
	}
	return list
}

// Unexpected counts the cells that are not as expected, but for known and flaky ones.
func (k Kernel) Unexpected() (n int) {
	for v, count := range k.Counts {
		if !v.Expected() && v != matrix.Known && v != matrix.Flaky {
			n += count
		}
	}
	return n
}

// Enforced counts the cells whose act was denied as expected.
func (k Kernel) Enforced() int {
	return k.Counts[matrix.Enforced] + k.Counts[matrix.Shadowed] + k.Counts[matrix.GapClosed]
}

// Flaky and Known count the cells of these verdicts.
func (k Kernel) Flaky() int { return k.Counts[matrix.Flaky] }
func (k Kernel) Known() int { return k.Counts[matrix.Known] }

// All counts the cells that were planned.
func (k Kernel) All() (n int) {
	for v, count := range k.Counts {
		if v != matrix.NotPlanned {
			n += count
		}
	}
	return n
}

// Load reads the file path, or that of the directory path; see Read.
func Load(path string) ([]Night, []Note, error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, File)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	defer f.Close()
	nights, notes, err := Read(f)
	if err != nil {
		return nil, nil, fmt.Errorf("read history %s: %w", path, err)
	}
	return nights, notes, nil
}

// Read reads a history: of the lines of one night only the last, in the order of the
// file. A line that is cut off or damaged is left out, and the notes name it; they also
// name each night that began before the one above it.
func Read(r io.Reader) (nights []Night, notes []Note, err error) {
	br := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, long, err := line(br)
		if err != nil && err != io.EOF {
			return nil, nil, err
		}
		last := err == io.EOF
		if last && len(text) == 0 {
			return nights, notes, nil
		}
		night, bad := parse(text)
		night.Line = n
		switch {
		case len(bytes.TrimSpace(text)) == 0:
		case long:
			notes = append(notes, Note{n, false, fmt.Sprintf("line %d is longer than %d bytes: it is left out", n, maxLine)})
		case bad != nil && last:
			notes = append(notes, Note{n, false, fmt.Sprintf("the last line, %d, was cut off: its night is left out", n)})
		case bad != nil:
			notes = append(notes, Note{n, false, fmt.Sprintf("line %d is damaged, and is left out: %v", n, bad)})
		default:
			if i := len(nights) - 1; i >= 0 && night.Begun.Before(nights[i].Begun) {
				notes = append(notes, Note{n, true, fmt.Sprintf("line %d: the clock went backwards: %s began at %s, before %s at %s", n, night.Name, night.Begun.Format(time.RFC3339), nights[i].Name, nights[i].Begun.Format(time.RFC3339))})
			}
			nights = slices.DeleteFunc(nights, func(o Night) bool { return o.Name == night.Name })
			nights = append(nights, night)
			nights = nights[max(0, len(nights)-maxNights):]
		}
		if last {
			return nights, notes, nil
		}
	}
}

// line returns a line without its newline; long, if it is cut because it is too long;
// and io.EOF, if no newline ends it.
func line(br *bufio.Reader) (text []byte, long bool, err error) {
	for {
		part, err := br.ReadSlice('\n')
		if len(text)+len(part) > maxLine {
			long = true
			part = nil
		}
		text = append(text, part...)
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(text, []byte("\n")), long, err
		}
	}
}

func parse(text []byte) (n Night, err error) {
	if err := json.Unmarshal(text, &n); err != nil {
		return n, errors.New("it is no night")
	}
	if !IsName(n.Name) || n.Begun.IsZero() {
		return n, errors.New("it has no night and no time")
	}
	return n, nil
}

// Append adds a night to the file path, which need not exist, and waits until it is on
// disk. A last line that was cut off is ended first, and does not harm the new one.
func Append(path string, n Night) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode history: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	text = append(text, '\n')
	if size, err := f.Seek(0, io.SeekEnd); err == nil && size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			text = append([]byte{'\n'}, text...)
		}
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// IsName reports whether a name is that of a night: YYYY-MM-DD, or YYYY-MM-DD-N for
// the day's second and so on.
func IsName(name string) bool {
	if len(name) < len(time.DateOnly) {
		return false
	}
	_, err := time.Parse(time.DateOnly, name[:len(time.DateOnly)])
	rest := name[len(time.DateOnly):]
	if rest == "" {
		return err == nil
	}
	return err == nil && len(rest) > 1 && len(rest) < 5 && rest[0] == '-' && rest[1] != '0' && !bytes.ContainsFunc([]byte(rest[1:]), func(r rune) bool { return r < '0' || r > '9' })
}
