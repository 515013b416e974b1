// Package nightly keeps the directory of nightly runs: a directory for each night, in
// which steps leave their logs and results, the history of all nights, and what changed
// from one night to the next. It runs no step: scripts/nightly does.
package nightly

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/history"
)

// Names in the directory of a night. Steps has, for each step, NAME.log and then
// NAME.done or NAME.failed, which has the exit status.
const (
	markFile = "night.json"
	MailFile = "mail.txt"
	DiffFile = "diff.txt"
	PageFile = "index.html"
	Steps    = "steps"
)

// Latest is a link to the night that ended last, beside the nights.
const Latest = "latest"

// resumeFor is how long a night that was not ended is gone on with.
const resumeFor = 24 * time.Hour

// A mark makes a directory a night of ours.
type mark struct {
	Begun, Ended time.Time // UTC; Ended is zero before the end
	Files        []file    `json:",omitempty"` // what was there at the end: only that is ever removed
}

// A file is one that a night has written.
type file struct {
	Name string // relative to the night
	Size int64
	Time time.Time // of its last change
}

// maxMark bounds the file with a mark, in bytes.
const maxMark = 16 << 20

func readMark(dir string) (m mark, err error) {
	f, err := os.Open(filepath.Join(dir, markFile))
	if err != nil {
		return m, fmt.Errorf("read night: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMark))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Begun.IsZero() {
		err = errors.New("it has no time")
	}
	if err != nil {
		return m, fmt.Errorf("read night %s: %w", f.Name(), err)
	}
	return m, nil
}

func (m mark) write(dir string) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(dir, markFile), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write night: %w", err)
	}
	return nil
}

// Begin makes the directory of a night, or finds the one to go on with: dir, if it is
// not empty, or else the newest one below root that was begun less than a day ago and
// not ended, or else a new one with the name of the day. The notes are for the user.
func Begin(root, dir string, now time.Time) (night string, notes []string, err error) {
	if dir == "" {
		if dir, notes, err = unfinished(root, now); err != nil {
			return "", nil, err
		}
	}
	if dir == "" {
		if dir, err = unused(root, now); err != nil {
			return "", nil, err
		}
	}
	if !history.IsName(filepath.Base(dir)) {
		return "", nil, fmt.Errorf("begin night: the name of %s is no day, such as %s", dir, now.Format(time.DateOnly))
	}
	if err := os.MkdirAll(filepath.Join(dir, Steps), 0o755); err != nil {
		return "", nil, fmt.Errorf("begin night: %w", err)
	}
	m, err := readMark(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return dir, notes, mark{Begun: now.UTC().Truncate(time.Second)}.write(dir)
	case err != nil:
		return "", nil, err
	}
	notes = append(notes, fmt.Sprintf("%s was begun at %s: it goes on", dir, m.Begun.Format(time.RFC3339)))
	if m.Begun.After(now) {
		notes = append(notes, backwards(dir, m.Begun, now))
	}
	return dir, notes, nil
}

func backwards(what string, then, now time.Time) string {
	return fmt.Sprintf("the clock went backwards: %s was begun at %s, and it is %s now", what, then.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}

// unfinished finds the newest night that was not ended, and names those that are too old
// to go on with.
func unfinished(root string, now time.Time) (dir string, notes []string, err error) {
	nights, err := nightsIn(root)
	if err != nil {
		return "", nil, err
	}
	for _, n := range slices.Backward(nights) {
		switch {
		case !n.mark.Ended.IsZero():
		case now.Sub(n.mark.Begun) > resumeFor:
			notes = append(notes, fmt.Sprintf("%s was begun at %s and not ended: it is left as it is", n.dir, n.mark.Begun.Format(time.RFC3339)))
		case dir == "":
			dir = n.dir
		}
	}
	return dir, notes, nil
}

// unused is the name of the day, with a number if the day has a night already. The
// history may have nights whose directories are gone.
func unused(root string, now time.Time) (string, error) {
	day, used := now.Format(time.DateOnly), map[string]bool{}
	nights, _, err := history.Load(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("begin night: %w", err)
	}
	for _, n := range nights {
		used[n.Name] = true
	}
	for n := 1; ; n++ {
		name := day
		if n > 1 {
			name = fmt.Sprintf("%s-%d", day, n)
		}
		if used[name] {
			continue
		}
		dir := filepath.Join(root, name)
		switch _, err := os.Lstat(dir); {
		case errors.Is(err, os.ErrNotExist):
			return dir, nil
		case err != nil:
			return "", fmt.Errorf("begin night: %w", err)
		}
	}
}

// A night is a directory with a mark.
type night struct {
	dir  string
	mark mark
}

// nightsIn lists the nights below root, in the order in which they were begun. What has
// the name of a day and no mark is not ours.
func nightsIn(root string) (list []night, err error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list nights: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !history.IsName(e.Name()) {
			continue
		}
		dir := filepath.Join(root, e.Name())
		if m, err := readMark(dir); err == nil {
			list = append(list, night{dir, m})
		}
	}
	slices.SortStableFunc(list, func(a, b night) int { return a.mark.Begun.Compare(b.mark.Begun) })
	return list, nil
}
